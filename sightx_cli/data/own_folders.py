"""Tells folders and pictures that SightX has made from images of the user's: commands write beside what they are given.

A second `sightx fit .` would take `runs/` for a class otherwise, with the pictures of the first run as its images.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

SIGNATURES = (
    frozenset(("plan.json", "recipe.toml", "history.csv")),  # a run
    frozenset(("journal.json", "checkpoint")),  # one that is not finished
    frozenset(("findings.json", "fingerprint.json", "index.html")),  # an inspection
    frozenset(("metrics.json", "predictions.csv", "report.html")),  # an evaluation
    frozenset(("heatmaps.csv",)),
)
"""The files by which a folder is known (see `runs`, which says what else is in them)."""

RUNS_NAME = "runs"
_PICTURE = re.compile(r"\d{8}-\d{6}-(probe|probe-learning-curve|learning-curve|lr-find)(-\d+)?\.png")


def is_own_folder(names: AbstractSet[str]) -> bool:
    """Whether a folder with entries of these names is what a command has made."""
    return any(signature <= names for signature in SIGNATURES)


def is_own_picture(folder: str, name: str) -> bool:
    """Whether a picture in a folder of this name is one that `probe` or `lr-find` has made."""
    return folder == RUNS_NAME and _PICTURE.fullmatch(name) is not None
