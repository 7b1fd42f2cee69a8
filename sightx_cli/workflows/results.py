"""What the workflows return: typed results, each with its JSON form (DESIGN's contract)."""

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


@dataclass(frozen=True)
class LrFindResult:
    """What the learning-rate finder found for a stage."""

    stage: str
    suggestions: dict[str, float]
    chosen: float
    plot: Path
    seconds: dict[str, float]
    rates: list[float]
    losses: list[float]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `lr-find`."""
        return {
            "stage": self.stage,
            "suggestions": self.suggestions,
            "chosen": self.chosen,
            "plot": str(self.plot.absolute()),
            "seconds": self.seconds,
            "rates": self.rates,
            "losses": self.losses,
        }


@dataclass(frozen=True)
class ProbeResult:
    """What quick heads on kept outputs say of a recipe's choices, and of the network's stages."""

    recipe: str
    metric: str
    images: int
    choices: list[dict[str, Any]]
    chosen: dict[str, Any]
    """What departs from the recipe, by its dotted key."""
    evidence: list[str]
    skipped: list[str]
    depth: list[dict[str, Any]]
    """Of each stage, earliest first: the figure of a head on its output alone, and on all outputs up to it."""
    freezing: str
    """In one line, where freezing pays."""
    picture: Path
    budget_seconds: float
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `probe`."""
        return {**vars(self), "picture": str(self.picture.absolute())}


@dataclass(frozen=True)
class PredictResult:
    """What was predicted, and where the table lies."""

    images: int
    unreadable: int
    output: Path
    run: Path
    seconds: dict[str, float]
    images_per_second: float
    counts: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `predict`."""
        return {
            "images": self.images,
            "unreadable": self.unreadable,
            "output": str(self.output.absolute()),
            "run": str(self.run),
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
            "counts": self.counts,
        }
