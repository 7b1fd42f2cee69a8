"""The images that an earlier run knew, read from its table of the split: each with its part and label."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.cells import unshield_cell
from sightx_cli.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

TRAIN = "train"


@dataclass(frozen=True)
class KnownImages:
    """What a run knew of each image, by its key: the digest of its bytes, or its name where the run kept no digests.

    Of copies, one that was trained on counts.
    """

    column: str
    """What tells an image again, a column of a frame: digest, or image."""
    parts: Mapping[str, str]
    """train, valid or test."""
    labels: Mapping[str, str]
    trained_groups: frozenset[str]
    """The groups (patients, parts) of the images that were trained on."""

    def list_parts(self, frame: pd.DataFrame) -> list[str]:
        """List the part that each of today's images had; "" for one that the run did not know."""
        return [self.parts.get(key, "") for key in frame[self.column]]

    def list_trained(self, frame: pd.DataFrame) -> list[bool]:
        """Say of each of today's images whether the run was trained on it, or on another image of its group."""
        found = zip(self.list_parts(frame), frame["group"], strict=True)
        return [part == TRAIN or group in self.trained_groups for part, group in found]


def load_known_images(split: Path) -> KnownImages:
    """Load what a run's `split.csv` says; raises RunError where it cannot be read."""
    parts: dict[str, str] = {}
    labels: dict[str, str] = {}
    groups: set[str] = set()
    try:
        with split.open(encoding="utf-8", newline="") as file:
            rows = [{name: unshield_cell(text or "") for name, text in row.items()} for row in csv.DictReader(file)]
        column = "digest" if rows and rows[0].get("digest") else "image"
        for row in rows:
            key = row[column]
            if parts.get(key) != TRAIN:
                parts[key], labels[key] = row["split"], row["label"]
            if row["split"] == TRAIN and row["group"]:
                groups.add(row["group"])
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise RunError(
            f"{split}: cannot be read ({reason}), so nobody knows which images this run was trained on",
            "copy the whole run from where it was made, or name another",
        ) from error
    return KnownImages(column, parts, labels, frozenset(groups))
