"""What the user should know of a set's DICOM images: whose windows they are shown by, and what their tags offer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sightx_cli.data.readers import Found, Header
from sightx_cli.data.readers.dicom import FORMAT, WINDOW
from sightx_cli.dicom.identities import CODES
from sightx_cli.progress import Notice

_VALUES_SHOWN = 6


def list_dicom_notices(found: Sequence[Found], headers: Sequence[Header]) -> list[Notice]:
    """List the notices about a set's DICOM images; none where there are no such images. Both are in one order."""
    images = [one for one, header in zip(found, headers, strict=True) if header[4] == FORMAT]
    return [*_note_windows(images), *_note_codes(images)] if images else []


def _note_windows(images: Sequence[Found]) -> list[Notice]:
    """Say by whose windows grey is scaled: those of the files differ, and not every file has one."""
    windows = Counter(value for one in images for name, value in one.tags if name == WINDOW)
    without = sum(bool(one.values) for one in images)
    shown = windows.total()
    if not windows:
        return []
    (usual, count), differ = windows.most_common(1)[0], len(windows) > 1
    text = f"{_count(shown)} scaled by the window in each file" + (f" ({usual})" if not differ else "")
    if differ:
        text += f": {len(windows):,} different windows, most often {usual} ({count:,})"
    if without:
        text += f"; {without:,} more without a window by the range of the set"
    if differ or without:
        text += ", so equal values need not look equal; for one range, add --set 'image.range=[LOW, HIGH]'"
    return [Notice("dicom-windows", text, shown, warns=bool(without))]


def _note_codes(images: Sequence[Found]) -> list[Notice]:
    """Say which sides and views there are: columns that images can be grouped by."""
    said = []
    for column in CODES:
        values = Counter(value for one in images for name, value in one.tags if name == column)
        if len(values) > 1:
            listed = [f"{value} {count:,}" for value, count in values.most_common(_VALUES_SHOWN)]
            said.append(f"{column} {', '.join(listed)}" + ", …" * (len(values) > _VALUES_SHOWN))
    return [Notice("dicom-tags", f"DICOM tags that may be grouped by: {'; '.join(said)}", len(images))] if said else []


def _count(images: int) -> str:
    return f"{images:,} DICOM image{'s are' if images != 1 else ' is'}"
