"""The result of `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.progress import Notice
from sightx_cli.results.calibration import Abstention, Calibration
from sightx_cli.results.json_form import to_object
from sightx_cli.results.leaks import Leaks
from sightx_cli.results.probe import ProbedChoices
from sightx_cli.results.retrain import Retraining

if TYPE_CHECKING:
    from sightx_cli.metrics.class_report import ClassReport
    from sightx_cli.metrics.fold_intervals import FoldFigures
    from sightx_cli.metrics.intervals import Interval
    from sightx_cli.metrics.part_curves import Curves

VALIDATED = "linear head on frozen features"
"""What is cross-validated, in words: not the training of later stages."""

POINT_DECIMALS = 5
"""Of the points of curves in metrics.json."""


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
    intervals_by: str = "images"
    """What the intervals count as independent evidence: images, or groups of them."""
    curves: Curves | None = None
    """None where only figures were asked for."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `test`: without curves, whose points are for drawing."""
        found = to_object({name: value for name, value in vars(self).items() if name != "curves"})
        report = found.pop("report")
        return {**found, **report}

    def to_whole_json(self) -> dict[str, Any]:
        """Return the entry of a part in metrics.json."""
        return {**self.to_json(), **self.list_curves()}

    def list_curves(self) -> dict[str, Any]:
        """Return the entry `curves` where there are some, their points rounded: a drawing shows three decimals."""
        return {"curves": round_points(to_object(self.curves.to_json()))} if self.curves else {}


def round_points(value: Any) -> Any:
    """Round every number within lists and tables to `POINT_DECIMALS`."""
    if isinstance(value, float):
        return round(value, POINT_DECIMALS)
    if isinstance(value, dict):
        return {name: round_points(one) for name, one in value.items()}
    return [round_points(one) for one in value] if isinstance(value, list) else value


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
    notices: tuple[Notice, ...] = ()
    """All that was left out, cut, assumed or found on the way."""
    stopped: str = ""
    """What ended it: interrupted (Ctrl-C), terminated (SIGTERM), or the fault in words; empty if nothing did."""
    leaks: Leaks | None = None
    """What the split given has on both sides; None where it has nothing."""
    probe: ProbedChoices | None = None
    """What the probe measured and chose before training; None where it did not run."""
    report: str = ""
    """The name of the report in the run; empty where there is none."""
    cross_validation: FoldFigures | None = None
    """The figures of the linear head over the folds; None where there are none."""
    retraining: Retraining | None = None
    """The run that it starts from, what changed, and how the two compare; None where it starts from none."""
    calibration: Calibration | None = None
    """The temperature of the probabilities; None where none was looked for."""
    abstention: Abstention | None = None
    """What tells unsure and unfamiliar images; None where nothing was fitted."""

    @property
    def interrupted(self) -> bool:
        """Whether the training ended early; the run is then that of the best epoch until there, and can go on."""
        return bool(self.stopped)

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
        return to_object(
            {
                "run": self.run,
                "report": self.run / self.report if self.report else None,
                "recipe": self.recipe,
                "reason": self.reason,
                "task": self.task,
                "images": self.images,
                "classes": self.classes,
                "metrics": self.metrics,
                "intervals": self.intervals,
                "intervals_by": self.valid.intervals_by,
                "selected_on": self.selected_on,
                **self._list_parts(),
                **({"probe": self.probe} if self.probe else {}),
                "seconds": self.seconds,
                "prefix": self.prefix,
                "best": self.best,
                "unreadable": self.unreadable,
                "warnings": self.warnings,
                "notices": [notice.to_json() for notice in self.notices],
                "interrupted": self.interrupted,
                **({"stopped": self.stopped} if self.stopped else {}),
            }
        )

    def metrics_to_json(self) -> dict[str, Any]:
        """Return the contents of metrics.json: the final model's figures by part, with intervals and by class."""
        valid = {"valid": self.valid.to_whole_json(), "selected_on": self.selected_on, "best": self.best}
        test = {"test": self.test.to_whole_json()} if self.test else {}
        return to_object(valid | self._list_parts() | test)

    def _list_parts(self) -> dict[str, object]:
        """List what both hold: the test part, the folds and the leaks, where there are any."""
        found: dict[str, object] = {}
        if self.test:
            found["test"] = self.test
        if self.cross_validation:
            folds = self.cross_validation
            figures = {"metrics": folds.metrics, "intervals": folds.intervals, "intervals_by": folds.intervals_by}
            found["cross_validation"] = {"folds": folds.folds, "model": VALIDATED, **figures}
        if self.retraining:
            found["from"] = self.retraining
        if self.calibration:
            found["calibration"] = self.calibration
        if self.abstention:
            found["abstention"] = self.abstention
        if self.leaks:
            found["leaks"] = self.leaks
        return found
