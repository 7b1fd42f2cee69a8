"""The images that an earlier run knew, read from its table of the split: each with its part and label."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.cells import shield_cell, unshield_cell
from sightx_cli.data.splits import SPLIT_COLUMNS
from sightx_cli.errors import RunError
from sightx_cli.filesystem import check_ordinary

if TYPE_CHECKING:
    import pandas as pd

TRAIN = "train"


@dataclass(frozen=True)
class EarlierSplit:
    """What a run knew of each image, by its key: the digest of its bytes, or its name where the run kept no digests.

    Of copies, one that was trained on counts.
    """

    column: str
    """What tells an image again, a column of a frame: digest, or image."""
    parts: Mapping[str, str]
    """train, valid or test; of the runs that it started from too."""
    labels: Mapping[str, str]
    """Of its own images."""
    trained_groups: frozenset[str]
    """The groups (patients, parts) of the images that were trained on."""

    def list_parts(self, frame: pd.DataFrame) -> list[str]:
        """List the part that each of today's images had; "" for one that the run did not know."""
        return [self.parts.get(key, "") for key in frame[self.column]]

    def list_trained(self, frame: pd.DataFrame) -> list[bool]:
        """Say of each of today's images whether the run was trained on it, or on another image of its group."""
        found = zip(self.list_parts(frame), frame["group"], strict=True)
        return [part == TRAIN or group in self.trained_groups for part, group in found]


def load_earlier_split(split: Path, earlier: Path) -> EarlierSplit:
    """Load what a run knew (its `split.csv`), and those that it started from (`earlier.csv`, if it started from one).

    Raises RunError where that cannot be read.
    """
    parts: dict[str, str] = {}
    labels: dict[str, str] = {}
    groups: set[str] = set()
    column = ""
    for path in (split, *([earlier] if earlier.exists() else [])):
        rows = _read_rows(path)
        column = column or ("digest" if rows and rows[0]["digest"] else "image")
        for row in rows:
            key = row[column]
            if key and parts.get(key) != TRAIN:
                parts[key] = row["split"]
                if path is split:
                    labels[key] = row["label"]
            if row["split"] == TRAIN and row["group"]:
                groups.add(row["group"])
    return EarlierSplit(column, parts, labels, frozenset(groups))


def write_earlier_images(known: EarlierSplit, frame: pd.DataFrame, path: Path) -> None:
    """Write what an earlier run knew and today's images lack, in the columns of `split.csv`, for runs after this one.

    The network has learned from them all the same: should they come back, they are no new images.
    """
    there, groups = set(frame[known.column]), set(frame["group"])
    rows = [{known.column: key, "split": part} for key, part in known.parts.items() if key not in there]
    rows += [{"group": group, "split": TRAIN} for group in sorted(known.trained_groups - groups)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, SPLIT_COLUMNS, restval="")
        writer.writeheader()
        writer.writerows({name: shield_cell(text) for name, text in row.items()} for row in rows)


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        check_ordinary(path)
        with path.open(encoding="utf-8", newline="") as file:
            rows = [{name: unshield_cell(text or "") for name, text in row.items()} for row in csv.DictReader(file)]
        return [{"digest": "", **row, "group": row["group"], "split": row["split"]} for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise RunError(
            f"{path}: cannot be read ({reason}), so nobody knows which images this run was trained on",
            "copy the whole run from where it was made, or name another",
        ) from error
