"""Groups by what files say about themselves: DICOM's patients, studies and series.

Offered with the option to type and never applied, as groups by names of files are (`name_groups`): only the user knows
whether the numbers of patients survived the way into this folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sightx_cli.data.name_groups import find_names, guess_groups, name_files
from sightx_cli.data.readers import Found
from sightx_cli.data.text_columns import count_texts
from sightx_cli.dicom.identities import GROUP_TAGS
from sightx_cli.results.inspect import Guess

if TYPE_CHECKING:
    import pandas as pd

IDENTITIES = {"PatientID": "patients", "StudyInstanceUID": "studies", "SeriesInstanceUID": "series"}
"""The tags that groups are suggested by, the widest first, and what the groups are."""


def add_tag_columns(frame: pd.DataFrame, found: Sequence[Found]) -> pd.DataFrame:
    """Add a column for each tag that files have, "" where one has not; a table's own columns stay as they are.

    `found` is of the frame's rows, in their order. Identities are pseudonyms already.
    """
    there = {name for one in found for name, _ in one.tags}
    present = [name for name in GROUP_TAGS if name in there and name not in frame.columns]
    columns = {name: [dict(one.tags).get(name, "") for one in found] for name in present}
    return frame.assign(**columns) if columns else frame


def find_suggestion(frame: pd.DataFrame) -> Guess | None:
    """Suggest what to group by: patients, else studies or series, of the files' tags, else what their names say.

    A tag is of use where it tells images apart, and some of them share a value of it.
    """
    for name, word in IDENTITIES.items():
        sizes = Counter(value for value in frame.get(name, ()) if value)
        shared = sum(size for size in sizes.values() if size > 1)
        if shared and len(sizes) > 1:
            return Guess(name, len(sizes), shared, "", tagged=word)
    return guess_groups(frame["image"], count_texts(frame["label"]))


def list_members(frame: pd.DataFrame, guess: Guess) -> list[str]:
    """Return each image's group by a suggestion, "" for none."""
    if guess.tagged:
        return [str(value) for value in frame[guess.expression]]
    return find_names(guess.expression, name_files(frame["image"]))


def describe_suggestion(guess: Guess, images: int) -> str:
    """Say what suggests the groups of so many images, to go before what to type."""
    if guess.tagged:
        return f"{images:,} images of {guess.groups:,} {guess.tagged} by {guess.expression}"
    return (
        f"file names such as {guess.example} look like groups: {guess.images:,} of {images:,} images share a group "
        "with another"
    )
