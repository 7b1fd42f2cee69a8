"""Which images to leave out, and which to look at: written by `inspect`, read by `fit --exclude`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli import runs
from sightx_cli.data.cells import shield_cell
from sightx_cli.data.checks import Unreadable
from sightx_cli.data.exclusions import LEAVE_OUT
from sightx_cli.data.readers import Header
from sightx_cli.quality.analysis import Analysis
from sightx_cli.quality.duplicates import Duplicate
from sightx_cli.task.label_text import name_labels

if TYPE_CHECKING:
    import pandas as pd

LOOK = "look"
KEPT_FIRST = {"test": 0, "valid": 1, "train": 2, "": 3}
"""If copies are in several parts, the held-out one stays, and the model no longer trains on its copy."""


@dataclass(frozen=True)
class Row:
    """One image of the list, the reason, and whether it is left out or only to be looked at."""

    image: str
    reason: str
    action: str


def choose_rows(
    frame: pd.DataFrame, headers: Sequence[Header], analysis: Analysis, unreadable: Sequence[Unreadable]
) -> list[Row]:
    """List the images to leave out: unreadable, all copies but one, all copies if labels differ; then those to look at.

    Every image is listed once.
    """
    images, labels = frame["image"].tolist(), list(map(name_labels, frame["label"]))
    rows = [Row(one.image, f"unreadable: {one.error}", LEAVE_OUT) for one in unreadable]
    for duplicate in analysis.duplicates:
        given = sorted({labels[place] for place in duplicate.places})
        kept = choose_kept(frame["split"].tolist(), headers, duplicate)
        for place in duplicate.places:
            if len(given) > 1:
                rows.append(Row(images[place], f"the same photograph is labelled {' and '.join(given)}", LEAVE_OUT))
            elif place != kept:
                rows.append(Row(images[place], f"a copy of {images[kept]}", LEAVE_OUT))
    rows += [
        Row(images[one.place], f"labelled {labels[one.place]}, looks like {name_labels(one.suggested)}", LOOK)
        for one in analysis.doubts
    ]
    rows += [Row(images[place], "unlike all other images", LOOK) for place, _ in analysis.outliers]
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.image, row)
    return list(first.values())


def choose_kept(splits: Sequence[str], headers: Sequence[Header], duplicate: Duplicate) -> int:
    """Return the index of the copy that stays: in test, else in valid, then the one with most pixels."""

    def rank(place: int) -> tuple[int, int, int]:
        width, height = headers[place][:2]
        return KEPT_FIRST.get(splits[place], 3), -width * height, place

    return min(duplicate.places, key=rank)


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Write the list as CSV, completely or not at all."""

    def write(aside: Path) -> None:
        with aside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("image", "reason", "action"))
            writer.writerows(map(shield_cell, (row.image, row.reason, row.action)) for row in rows)

    runs.write_file(path, write)
