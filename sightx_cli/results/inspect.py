"""The result of `inspect`: everything found about a data set, with its JSON form (DESIGN's contract)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.results.findings import Finding


@dataclass(frozen=True)
class Shortcut:
    """A class that one property separates from all others: how well (balanced accuracy), and what both are like."""

    label: str
    what: str
    balanced_accuracy: float
    usual: str
    others: str


@dataclass(frozen=True)
class Copies:
    """Files that show one photograph: with their labels and parts; `kind` is bytes, pixels or near."""

    files: tuple[str, ...]
    labels: tuple[str, ...]
    splits: tuple[str, ...]
    kind: str

    @property
    def conflict(self) -> bool:
        """Whether they have different labels."""
        return len(set(self.labels)) > 1

    @property
    def leaks(self) -> bool:
        """Whether they appear in several parts."""
        return len(set(self.splits)) > 1

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of one of `duplicates`."""
        return {
            "files": list(self.files),
            "labels": list(self.labels),
            "splits": list(self.splits),
            "kind": self.kind,
            "conflict": self.conflict,
        }


@dataclass(frozen=True)
class InspectResult:
    """What was found by looking at a data set. Files are absolute paths."""

    images: int
    parts: dict[str, int]
    classes: tuple[str, ...]
    class_counts: dict[str, int]
    facts: tuple[tuple[str, str], ...]
    """Rows of (what, value) of the fingerprint, for people."""
    unreadable: tuple[dict[str, str], ...]
    duplicates: tuple[Copies, ...]
    groups: tuple[dict[str, Any], ...]
    """Groups, as the user named them, that appear in several parts."""
    likely_groups: dict[str, Any] | None
    """What the file names suggest as groups, for --group-by; None where they suggest none, or groups were named."""
    outliers: tuple[dict[str, Any], ...]
    doubts: tuple[dict[str, Any], ...]
    agreement: float | None
    shortcuts: tuple[Shortcut, ...]
    shift: dict[str, Any]
    recipe: str
    reason: str
    findings: tuple[Finding, ...]
    folder: Path | None
    fix: Path | None
    left_out: int
    """How many images the list of --fix leaves out."""
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `inspect`."""
        return {
            "images": self.images,
            "parts": self.parts,
            "classes": list(self.classes),
            "class_counts": self.class_counts,
            "unreadable": list(self.unreadable),
            "duplicates": [copies.to_json() for copies in self.duplicates],
            "leaks": self.list_leaks(),
            "likely_groups": self.likely_groups,
            "outliers": list(self.outliers),
            "doubts": list(self.doubts),
            "agreement": None if self.agreement is None else round(self.agreement, 4),
            "shortcuts": [vars(shortcut) for shortcut in self.shortcuts],
            "shift": self.shift,
            "recipe": self.recipe,
            "reason": self.reason,
            "folder": str(self.folder.absolute()) if self.folder else None,
            "fix": str(self.fix.absolute()) if self.fix else None,
            "left_out": self.left_out,
            "seconds": self.seconds,
        }

    def list_leaks(self) -> list[dict[str, Any]]:
        """List the photographs and the groups that appear in several parts."""
        copies = [
            {"files": list(one.files), "kind": "duplicate", "splits": list(one.splits)}
            for one in self.duplicates
            if one.leaks
        ]
        return copies + [{**one, "kind": "group"} for one in self.groups]


def make_absolute(paths: Sequence[str]) -> tuple[str, ...]:
    """Return absolute paths, without the folders' own links resolved."""
    return tuple(str(Path(path).absolute()) for path in paths)
