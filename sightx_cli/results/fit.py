"""The result of `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.results.leaks import Leaks
from sightx_cli.results.probe import ProbedChoices

if TYPE_CHECKING:
    from sightx_cli.metrics.figures import ClassReport
    from sightx_cli.metrics.fold_intervals import FoldFigures
    from sightx_cli.metrics.intervals import Interval

VALIDATED = "linear head on frozen features"
"""What is cross-validated, in words: not the training of later stages."""


@dataclass(frozen=True)
class PartFigures:
    """The figures of one part by the final model, and their 95 % intervals; None where one has no meaning."""

    metrics: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]
    images: int
    predicted_by_bundle: int
    """For how many of the images the bundle itself was run."""
    report: ClassReport
    """The figures of each class, and the confusion matrix."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `test`, and of each part in metrics.json."""
        return {
            "metrics": dict(self.metrics),
            "intervals": dict(self.intervals),
            "images": self.images,
            "predicted_by_bundle": self.predicted_by_bundle,
            **self.report.to_json(),
        }


@dataclass(frozen=True)
class PrefixFacts:
    """How the frozen part was computed: by which engine ("none": every layer ran each epoch), and whether it was."""

    engine: str
    precision: str | None
    why: str
    cached: bool
    """Whether all of it was found in the store."""
    views: int
    """How many views of each training image."""


@dataclass(frozen=True)
class BestEpoch:
    """The epoch whose weights were kept, and the metric that chose it."""

    stage: str
    epoch: int
    metric: str


@dataclass(frozen=True)
class FitResult:
    """A finished fit: where the run lies, what was decided, and what the final model does on the parts held out."""

    run: Path
    recipe: str
    reason: str
    images: Mapping[str, int]
    """How many to train and to validate."""
    task: str
    """What the labels are: single-label, grades."""
    classes: tuple[str, ...]
    valid: PartFigures
    selected_on: bool
    """Whether the best epoch was chosen on the same images that `valid` is measured on."""
    test: PartFigures | None
    seconds: Mapping[str, float]
    prefix: PrefixFacts
    best: BestEpoch
    unreadable: tuple[str, ...] = ()
    """One line per image that was left out: its name and why."""
    warnings: tuple[str, ...] = ()
    interrupted: bool = False
    leaks: Leaks | None = None
    """What the split given has on both sides; None where it has nothing."""
    probe: ProbedChoices | None = None
    """What the probe measured and chose before training; None where it did not run."""
    cross_validation: FoldFigures | None = None
    """The figures of the linear head over the folds; None where there are none."""

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """The figures of the valid part."""
        return self.valid.metrics

    @property
    def intervals(self) -> Mapping[str, Interval | None]:
        """The 95 % intervals of the valid part's figures."""
        return self.valid.intervals

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `fit`; paths absolute."""
        return {
            "run": str(self.run.absolute()),
            "recipe": self.recipe,
            "reason": self.reason,
            "task": self.task,
            "images": dict(self.images),
            "classes": list(self.classes),
            "metrics": dict(self.metrics),
            "intervals": dict(self.intervals),
            "selected_on": self.selected_on,
            **self._parts_to_json(),
            **({"probe": self.probe.to_json()} if self.probe else {}),
            "seconds": dict(self.seconds),
            "prefix": asdict(self.prefix),
            "best": asdict(self.best),
            "unreadable": list(self.unreadable),
            "warnings": list(self.warnings),
            "interrupted": self.interrupted,
        }

    def metrics_to_json(self) -> dict[str, Any]:
        """Return the contents of metrics.json: the final model's figures by part, with intervals and by class."""
        return {
            "valid": self.valid.to_json(),
            "selected_on": self.selected_on,
            "best": asdict(self.best),
            **self._parts_to_json(),
        }

    def _parts_to_json(self) -> dict[str, Any]:
        """Return what both hold of the test part, the folds and the leaks, where there are any."""
        found: dict[str, Any] = {}
        if self.test:
            found["test"] = self.test.to_json()
        if self.cross_validation:
            folds = self.cross_validation
            figures = {"metrics": dict(folds.metrics), "intervals": dict(folds.intervals)}
            found["cross_validation"] = {"folds": folds.folds, "model": VALIDATED, **figures}
        if self.leaks:
            found["leaks"] = self.leaks.to_json()
        return found
