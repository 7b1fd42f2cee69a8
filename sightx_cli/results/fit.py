"""The result of `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Figures = dict[str, float | None]
Intervals = Mapping[str, tuple[float, float] | None]


@dataclass(frozen=True)
class FitResult:
    """A finished fit: where the run lies, what was decided, and what the final model does on the valid part."""

    run: Path
    recipe: str
    reason: str
    images: dict[str, int]
    task: str
    """What the labels are: single-label, grades."""
    classes: tuple[str, ...]
    metrics: Figures
    intervals: Intervals
    selected_on: bool
    """Whether the best epoch was chosen on the same images that `metrics` is measured on."""
    test: dict[str, Any] | None
    seconds: dict[str, float]
    prefix: dict[str, Any]
    unreadable: tuple[str, ...] = ()
    """One line per image that was left out: its name and why."""
    warnings: tuple[str, ...] = ()
    interrupted: bool = False
    best: dict[str, Any] = field(default_factory=dict)
    leaks: dict[str, Any] | None = None
    """What the split given has on both sides: {files, groups, allowed}, and {copies, copies_among} where there are."""
    probe: dict[str, Any] | None = None
    """What the probe measured and chose before training; None where it did not run."""
    cross_validation: dict[str, Any] | None = None
    """Folds, what was validated, means over the folds and their intervals; None where there was none."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `fit`; paths absolute."""
        return {
            "run": str(self.run.absolute()),
            "recipe": self.recipe,
            "reason": self.reason,
            "task": self.task,
            "images": self.images,
            "classes": list(self.classes),
            "metrics": self.metrics,
            "intervals": dict(self.intervals),
            "selected_on": self.selected_on,
            **({"test": self.test} if self.test is not None else {}),
            **({"cross_validation": self.cross_validation} if self.cross_validation is not None else {}),
            **({"probe": self.probe} if self.probe is not None else {}),
            **({"leaks": self.leaks} if self.leaks is not None else {}),
            "seconds": self.seconds,
            "prefix": self.prefix,
            "best": self.best,
            "unreadable": list(self.unreadable),
            "warnings": list(self.warnings),
            "interrupted": self.interrupted,
        }
