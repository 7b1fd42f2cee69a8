"""The result of `evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.progress import Notice
from sightx_cli.results.json_form import to_object

if TYPE_CHECKING:
    from sightx_cli.metrics.intervals import Interval
    from sightx_cli.metrics.operating_points import DecisionFigures, Threshold
    from sightx_cli.metrics.paired import PairedDifference
    from sightx_cli.results.fit import PartFigures


CALIBRATION = ("brier", "calibration_error", "calibration_slope", "calibration_intercept")
"""The figures that say whether probabilities mean what they say."""


@dataclass(frozen=True)
class Subgroup:
    """The figures of the images that have one value of a column."""

    value: str
    figures: PartFigures
    is_small: bool
    """Whether there are too few images to rank it."""
    is_worst: bool = False
    """Whether its figure is the lowest of those that can be ranked."""

    def to_json(self) -> dict[str, Any]:
        """Return its entry in `by`."""
        figures = self.figures.to_json()
        kept = {name: figures[name] for name in ("images", "metrics", "intervals", "intervals_by")}
        return {"value": self.value, **kept, "too_few_to_rank": self.is_small, "worst": self.is_worst}


@dataclass(frozen=True)
class Subgroups:
    """The subgroups by one column."""

    column: str
    groups: tuple[Subgroup, ...]


@dataclass(frozen=True)
class SetDifference:
    """Something in which the images differ from those that the model was trained on, there and here, in words."""

    what: str
    trained: str
    here: str


@dataclass(frozen=True)
class MeasuredDecision:
    """A threshold, and what it reaches on the images measured."""

    positives: tuple[str, ...]
    """The classes that count as positive."""
    threshold: float
    """The probability of them together from which an image is positive."""
    chosen: str
    """What for: "sensitivity 0.95", or more probable than not."""
    chosen_on: str
    """The predictions that it was chosen on; "" where it was not chosen."""
    wished: Threshold | None
    """How it was chosen, where that was done now; None of one that was stored, or of one half."""
    reached: DecisionFigures
    is_kept: bool = False
    """Whether the run's bundle decides by it from now on."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `thresholds`."""
        found = to_object(vars(self))
        return {**found, "kept": found.pop("is_kept")}


@dataclass(frozen=True)
class DoubtFigures:
    """How many predictions are sure, and what remains where the others are left to a person."""

    sure: int
    unsure: int
    unfamiliar: int
    figures: PartFigures | None
    """Of the sure ones; None where there are none."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `abstention`."""
        kept = self.figures.to_json() if self.figures else {}
        figures = {name: kept.get(name) for name in ("metrics", "intervals")}
        counts = {"sure": self.sure, "unsure": self.unsure, "unfamiliar": self.unfamiliar}
        return {**counts, "of_sure": figures if self.figures else None}


@dataclass(frozen=True)
class ViewFigures:
    """What averaging over several views of each image gains, and costs."""

    views: int
    plain: PartFigures
    """By the plain view alone."""
    gained: Mapping[str, PairedDifference]
    """By metric, above 0 where the figure of the mean is higher."""
    images_per_second: float
    plain_images_per_second: float

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `tta`."""
        plain = self.plain.to_json()
        kept = {"metrics": plain["metrics"], "intervals": plain["intervals"]}
        rates = {"images_per_second": self.images_per_second, "plain_images_per_second": self.plain_images_per_second}
        return to_object({"views": self.views, "plain": kept, "gained": self.gained, **rates})


@dataclass(frozen=True)
class TrainedGroups:
    """The images of groups, such as patients, that have the name of one that the model was trained on."""

    by: str
    """The column, or expression, of the groups."""
    images: int
    groups: tuple[str, ...]
    """Their names."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `trained_groups`."""
        return {"by": self.by, "images": self.images, "groups": len(self.groups)}


@dataclass(frozen=True)
class PerUnit:
    """The figures of units of several images each, such as patients."""

    column: str
    rule: str
    """How the answers for several images become one."""
    figures: PartFigures


@dataclass(frozen=True)
class Changed:
    """The figures of some images changed in one way."""

    change: str
    metrics: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]


@dataclass(frozen=True)
class Robustness:
    """The figures of the same images, unchanged first, then changed in one way after the other."""

    images: int
    drawn_from: int
    """How many images they were drawn from."""
    changes: tuple[Changed, ...]


@dataclass(frozen=True)
class EvaluateResult:
    """How good a run's model is on some images, and where that is written."""

    run: Path
    folder: Path
    source: str
    part: str
    """Which part of the source was measured: test, valid, or all."""
    task: str
    classes: tuple[str, ...]
    figures: PartFigures
    temperature: float
    """What the model divides its logits by; 1 where it leaves them."""
    trained_on: int | None
    """How many of the images the model was trained on; None where its run has no list of them to tell."""
    unknown: Mapping[str, int]
    """How many images have each class that the model does not know."""
    unlabelled: int
    trained_groups: TrainedGroups | None = None
    """None where the run, or the images, have no groups."""
    by: tuple[Subgroups, ...] = ()
    per: PerUnit | None = None
    robustness: Robustness | None = None
    """None where it was not asked for."""
    differences: tuple[SetDifference, ...] = ()
    """How the images differ from those that the model was trained on."""
    doubt: DoubtFigures | None = None
    """None where the model cannot tell what it is sure of."""
    tta: ViewFigures | None = None
    """None where each prediction is of one view."""
    decision: MeasuredDecision | None = None
    """What a threshold reaches; None where no class counts as positive."""
    decided_by: Mapping[str, Any] | None = None
    """The threshold that the run stored when it was measured; of two classes it decides in every figure."""
    unreadable: tuple[str, ...] = ()
    """One line per image that could not be read: its name and why."""
    reasons: tuple[str, ...] = ()
    """Why each of them could not be read, without its name."""
    notices: tuple[Notice, ...] = ()
    warnings: tuple[str, ...] = ()
    predictions: Path | None = None
    report: Path | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    def metrics_to_json(self) -> dict[str, Any]:
        """Return the contents of metrics.json: what `to_json` gives, and the curves."""
        return {**self.to_json(), **self.figures.list_curves()}

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `evaluate`; paths absolute."""
        figures = self.figures.to_json()
        classes = figures.pop("classes")
        return to_object(
            {
                "run": self.run,
                "folder": self.folder,
                "source": self.source,
                "part": self.part,
                "task": self.task,
                **figures,
                "classes": {one["label"]: {k: v for k, v in one.items() if k != "label"} for one in classes},
                "calibration": {
                    "temperature": self.temperature,
                    **{name: value for name, value in self.figures.metrics.items() if name in CALIBRATION},
                },
                "trained_on": self.trained_on,
                "trained_groups": self.trained_groups.to_json() if self.trained_groups else None,
                "unknown_classes": self.unknown,
                "without_label": self.unlabelled,
                "by": {one.column: [group.to_json() for group in one.groups] for one in self.by},
                **({"per": self.per} if self.per else {}),
                **({"robustness": self.robustness} if self.robustness else {}),
                "thresholds": self.decision,
                "decided_by": self.decided_by,
                "abstention": self.doubt,
                **({"tta": self.tta} if self.tta else {}),
                "differences": self.differences,
                "unreadable": self.unreadable,
                "predictions": self.predictions,
                "report": self.report,
                "warnings": self.warnings,
                "notices": [notice.to_json() for notice in self.notices],
                "seconds": self.seconds,
            }
        )
