"""One decision for each patient, or part, from several images: by the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.spellings import unify_spellings
from sightx_cli.data.splits import assign_groups
from sightx_cli.dicom.identities import GROUP_TAGS
from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Listener, Notice, Silent

if TYPE_CHECKING:
    import pandas as pd

RULE = "mean of the probabilities of its images"


def check_units(frame: pd.DataFrame, column: str) -> None:
    """Raise what `join_units` and `assign_groups` raise before any image is read.

    What DICOM files alone can tell is not known then.
    """
    if column not in GROUP_TAGS:
        units = read_units(assign_groups(frame, column, "--per")["group"].tolist(), column, Silent())
        join_units(frame, np.zeros((len(frame), 0), np.float32), units, column, Silent())


def read_units(written: Sequence[str], column: str, listener: Listener) -> list[str]:
    """Return the unit of each image from what is written for it, "" for none.

    Units that differ only by case, blanks or Unicode form are one, as labels are, which is said.
    """
    units, notices = unify_spellings(written, f"--per {quote(column)}", "unit")
    for notice in notices:
        listener.notice(notice)
    return units


def join_units(
    frame: pd.DataFrame, probabilities: NDArray[np.float32], names: Sequence[str], column: str, listener: Listener
) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Join the images of each unit: a row each (image is the unit's name) and the mean of its probabilities, (U, C).

    `names` are the units of the images by that column, or expression, as `read_units` gives them. An image without a
    unit stands for itself. Units whose images have different labels are left out, which is said. Raises DataError where
    no unit is left.
    """
    import pandas as pd

    units: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        units.setdefault(name or f"\0{place}", []).append(place)
    labels, images = frame["label"].tolist(), frame["image"].tolist()
    torn = [name for name, places in units.items() if len({labels[place] for place in places}) > 1]
    if torn:
        first = units[torn[0]]
        said = " and ".join(sorted({labels[place] or "no label" for place in first}))
        many = len(torn) != 1
        text = (
            f"{len(torn):,} of {len(units):,} units by {column} {'are' if many else 'is'} left out, because "
            f"{'their' if many else 'its'} images have different labels, such as {torn[0]} ({said})"
        )
        listener.notice(Notice("torn-units", text, len(torn), warns=True))
    left_out = set(torn)
    kept = {name: places for name, places in units.items() if name not in left_out}
    if not kept:
        which = f"all {len(units):,} units" if len(units) > 1 else "the only unit"
        raise DataError(
            f"--per {quote(column)}: the images of {which} have different labels, such as {torn[0]} ({said})",
            "choose what has one label for all its images, such as the patient or the part",
        )
    joined = pd.DataFrame(
        {
            "image": [images[places[0]] if name.startswith("\0") else name for name, places in kept.items()],
            "label": [labels[places[0]] for places in kept.values()],
            "group": "",
            "digest": "",
            "images": [str(len(places)) for places in kept.values()],
        },
        dtype=str,
    )
    return joined, np.stack([probabilities[places].mean(axis=0) for places in kept.values()])
