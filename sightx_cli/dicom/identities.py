"""What a DICOM file says of whose image it is and how it was taken: offered as groups, never as it stands there.

The numbers of patients, studies and series become pseudonyms (see `dicom.pseudonyms`) before anything else of SightX
meets them; names, dates of birth and the like are not read at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightx_cli.dicom.pseudonyms import make_pseudonym

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

IDENTITIES = {"PatientID": "patient", "StudyInstanceUID": "study", "SeriesInstanceUID": "series"}
"""Tags that identify somebody or can be traced to somebody, and what their pseudonyms begin with."""

CODES = {"Laterality": ("ImageLaterality", "FrameLaterality", "Laterality"), "ViewPosition": ("ViewPosition",)}
"""Columns of short codes such as R or MLO, which identify nobody, and the tags to read them from, the first that is
filled."""

GROUP_TAGS = (*IDENTITIES, *CODES)
"""The columns that images get from their files."""

_CODE_LENGTH = 16
"""Of DICOM's codes: longer text is something else, and is not taken."""


def read_identities(tags: Dataset) -> tuple[tuple[str, str], ...]:
    """Return what the tags say by column, the filled ones only: pseudonyms, and codes as they are."""
    found = []
    for name, word in IDENTITIES.items():
        if value := _read_text(tags, name):
            found.append((name, make_pseudonym(word, value)))
    for name, sources in CODES.items():
        values = (_read_text(tags, source) for source in sources)
        if value := next((value for value in values if value and len(value) <= _CODE_LENGTH), ""):
            found.append((name, value))
    return tuple(found)


def _read_text(tags: Dataset, name: str) -> str:
    """A tag's text as it is in the file: pydicom would quote what it finds wrong with it in a warning."""
    if name not in tags:
        return ""
    value = tags.get_item(name).value
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value or "")
    return text.strip(" \0")
