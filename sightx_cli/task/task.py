"""What every kind of label defines: targets, loss, activation, decisions, figures, columns and words.

Training, solving, measuring and writing all ask the task: to them a new kind of label is one new file beside this one,
registered in `task.kinds`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sightx_cli.errors import UsageError
from sightx_cli.metrics.answers import Answers, check_answers
from sightx_cli.metrics.class_report import ClassReport
from sightx_cli.metrics.figures import measure_answers
from sightx_cli.metrics.fold_intervals import FoldFigures, measure_answer_folds
from sightx_cli.metrics.intervals import Interval, measure_answer_intervals
from sightx_cli.metrics.metric import Metric
from sightx_cli.metrics.registry import CHOOSING, METRICS, list_epoch_metrics
from sightx_cli.task.regression import Regression
from sightx_cli.task.stratification import Strata

if TYPE_CHECKING:
    from torch import Tensor, nn


UNEQUAL = 10.0
"""From this many times the images of the smallest class in the largest, every class is made to count the same.

There an unweighted head misses more of the rare class than it finds: it found 0.30 of it on six pairs of classes (0.07
to 0.70), and 0.56 at 5 : 1 (see the table in `task.offsets`). Below, the recipe's metric and weights do."""


@dataclass(frozen=True)
class Task(ABC):
    """What the labels are, and all that follows from it; C is the number of outputs, probabilities are (N, C)."""

    classes: tuple[str, ...]

    kind: ClassVar[str]
    """In JSON, in bundle.json and in the registry of metrics."""
    activation: ClassVar[str]
    """What turns logits into probabilities at the end of the engine's graph (see `engine.headed_graph`)."""
    torch_method: ClassVar[str]
    """The call on a tensor of logits (N, C) that does the same: code for who loads the weights without SightX."""
    headline: ClassVar[Metric]
    """The figure that people ask for first."""
    label_metric: ClassVar[Metric]
    """What judges decisions, where the metric chosen judges probabilities alone."""
    gives_several: ClassVar[bool] = False
    """Whether an image may have several labels, or none."""

    @property
    def outputs(self) -> int:
        """How many logits the network ends with."""
        return len(self.classes)

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns of a table of predictions, without the image and its error."""

    @abstractmethod
    def describe(self) -> str:
        """Say what the labels are: 3 classes, 5 grades in order."""

    # labels

    @abstractmethod
    def number(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Return the targets of labels as a table holds them."""

    @abstractmethod
    def stratify(self, labels: Sequence[str]) -> Strata:
        """Say what parts and folds hold in its share: the stratum of each image by name, or its labels (N, C)."""

    @abstractmethod
    def find_strata(self, targets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the same by targets: numbers (N,), or labels (N, C)."""

    @abstractmethod
    def find_missing(self, targets: NDArray[np.int64]) -> list[str]:
        """Name the classes that no image has."""

    @abstractmethod
    def weigh_classes(self, targets: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the loss's weight of each class (C,), so that every class counts as much, however rare."""

    def measure_imbalance(self, targets: NDArray[np.int64]) -> float:  # noqa: ARG002 (for kinds with classes to count)
        """Measure how many times the images of the smallest class the largest has, of those that occur."""
        return 1.0

    def count_fewest(self, targets: NDArray[np.int64]) -> int:
        """Count the images of the smallest class that occurs."""
        return len(targets)

    def is_unequal(self, targets: NDArray[np.int64]) -> bool:
        """Whether a class is so rare beside another that a model would pass it over (see `UNEQUAL`)."""
        return self.measure_imbalance(targets) >= UNEQUAL

    def weigh_images(self, targets: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the weight of each image, (N,), by which every class counts as much; the mean is 1."""
        return np.ones(len(targets))

    # the network and its linear head

    @abstractmethod
    def activate(self, logits: NDArray[Any]) -> NDArray[np.float32]:
        """Turn logits (N, C) into probabilities."""

    @abstractmethod
    def build_activation(self) -> nn.Module:
        """Build the module that does the same in torch."""

    @abstractmethod
    def build_loss(self, weight: Tensor | None, smoothing: float) -> Any:
        """Build what training minimises, of logits (N, C) and targets: weight (C,) per class or None, smoothing."""

    @abstractmethod
    def build_regression(
        self, strength: float, balanced: bool, tolerance: float, warm_start: bool = False
    ) -> Regression:
        """Build the regression that solves a linear head; with `warm_start` a second `fit` starts from the first."""

    def fit_offsets(
        self,
        probabilities: NDArray[Any],  # noqa: ARG002 (for kinds that decide between classes)
        targets: NDArray[np.int64],  # noqa: ARG002
    ) -> NDArray[np.float32]:
        """Fit what to add to each logit (C,) so that every class counts the same (see `task.offsets`).

        `probabilities` (N, C) are of images that were not learned from.
        """
        return np.zeros(self.outputs, np.float32)

    def shift(self, probabilities: NDArray[Any], offsets: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ARG002
        """Return the probabilities (N, C) of logits to which offsets (C,) are added."""
        return np.asarray(probabilities, np.float32)

    def plain(self) -> Task:
        """Return the same labels without what a recipe adds to their targets: for heads that only check something."""
        return self

    # how sure a model is

    @abstractmethod
    def list_logits(self, probabilities: NDArray[Any]) -> NDArray[np.float64]:
        """Return logits (N, C) that `activate` turns into these probabilities."""

    @abstractmethod
    def measure_smoothed_loss(self, logits: NDArray[np.float64], targets: NDArray[np.int64], smoothing: float) -> float:
        """Measure the mean log loss of logits (N, C), `smoothing` of each target shared among all outcomes, in nats."""

    def temper(self, probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
        """Return the probabilities (N, C) of logits divided by a temperature; at 1 the very same."""
        if temperature == 1:
            return probabilities
        return self.activate(self.list_logits(probabilities) / temperature)

    @abstractmethod
    def list_claims(self, probabilities: NDArray[Any]) -> NDArray[Any]:
        """Return the probability of each thing that can be said of an image, (N, K): each class, or each yes and no."""

    @abstractmethod
    def mark_claims(self, answers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Mark what decisions or targets say of each image, (N, K)."""

    # decisions

    @abstractmethod
    def decide(self, probabilities: NDArray[Any]) -> NDArray[np.int64]:
        """Return what is decided for each image, to be compared with another decision or with targets."""

    @abstractmethod
    def measure_margins(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Measure how far every probability of an image may move before its decision changes, (N,)."""

    @abstractmethod
    def fill_row(self, probabilities: NDArray[np.float32] | None, chosen: int | None = None) -> dict[str, Any]:
        """Return the cells of `columns` for one image (C,); empty where it could not be read.

        `chosen` is the class that was decided for, where it is not by `decide`.
        """

    @abstractmethod
    def split_prediction(self, prediction: str) -> tuple[str, ...]:
        """Return the classes that a cell of the first column names, to count them."""

    @abstractmethod
    def measure_certainty(
        self, probabilities: NDArray[np.float32], decided: NDArray[np.int64], shares: Sequence[float]
    ) -> NDArray[np.float32]:
        """Measure how certain each decision is, (N,), to put images in order by it.

        `shares` are those of the classes where probabilities (N, C) hold them as if all had the same; else empty.
        """

    @abstractmethod
    def name_classes(self, probabilities: NDArray[np.float32]) -> tuple[str, ...]:
        """Name the classes that an image (C,) is given; the likeliest one where it is given none."""

    @abstractmethod
    def weigh_logits(self, name: str) -> NDArray[np.float32]:
        """Return the weights (C,) of the logits that sum to the score of a class: what speaks for it and against it."""

    def differ(self, first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
        """Say for which images two sets of probabilities lead to different decisions, (N,)."""
        return np.asarray((self.decide(first) != self.decide(second)).reshape(len(first), -1).any(axis=1))

    def settle(self, probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> Task:  # noqa: ARG002
        """Choose what decisions need beside probabilities from those of the validation part: thresholds, if any."""
        return self

    def list_thresholds(self) -> dict[str, float] | None:
        """Return the probability from which each class is given, by its name; None where the likeliest one is."""
        return None

    def describe_thresholds(self) -> str:
        """Say from which probability each class is given, and how that was chosen; "" where the likeliest one is."""
        return ""

    def set_thresholds(self, thresholds: Mapping[str, float] | None) -> Task:
        """Return the task with the thresholds of a bundle; raises ValueError for what it cannot have."""
        if thresholds is not None:
            raise ValueError(f"thresholds: found {len(thresholds)}; allowed: null for {self.kind}")
        return self

    # figures

    def choose_metric(self, metric: str, by_user: bool, is_unequal: bool = False) -> str:  # noqa: ARG002
        """Choose the metric that picks the best epoch: the recipe's, or one that suits these labels better.

        `is_unequal` says that classes have very different numbers of images, so that a rare one hardly counts.

        Raises UsageError where the user named one that has no meaning for them.
        """
        if metric not in METRICS or self.kind in METRICS[metric].kinds:
            return metric
        if by_user:
            allowed = [name for name in CHOOSING if self.kind in METRICS[name].kinds]
            raise UsageError(
                f"training.metric={metric} has no meaning for {self.describe()}; allowed are {', '.join(allowed)}",
                f"--set training.metric={self.headline.name}",
            )
        return self.headline.name

    def check_answers(self, probabilities: object, targets: object) -> Answers:
        """Return probabilities and targets as the figures take them (see `metrics.answers`)."""
        return check_answers(probabilities, targets, self.classes)

    def measure_figures(self, probabilities: object, targets: object) -> dict[str, float | None]:
        """Measure every figure (see `metrics.figures`)."""
        return measure_answers(self.check_answers(probabilities, targets), self.kind)

    def measure_epoch(self, probabilities: object, targets: object, chosen_by: str) -> dict[str, float | None]:
        """Measure the figures of one epoch: those shown, and the metric that the best epoch is chosen by."""
        names = list_epoch_metrics(self.kind, chosen_by)
        return measure_answers(self.check_answers(probabilities, targets), self.kind, names)

    def measure_intervals(
        self, probabilities: object, targets: object, together: Sequence[str] = ()
    ) -> dict[str, Interval | None]:
        """Measure the 95 % interval of every figure; `together` names each image's group (see `metrics.intervals`)."""
        return measure_answer_intervals(self.check_answers(probabilities, targets), self.kind, together)

    def measure_fold_figures(
        self, probabilities: object, targets: object, folds: object, together: Sequence[str]
    ) -> FoldFigures:
        """Measure every figure's mean over folds (see `metrics.fold_intervals`)."""
        return measure_answer_folds(self.answer_folds(probabilities, targets, folds), folds, self.kind, together)

    def answer_folds(self, probabilities: object, targets: object, folds: object) -> Answers:  # noqa: ARG002
        """Return out-of-fold answers, with what each fold decides by the others' predictions."""
        return self.check_answers(probabilities, targets)

    @abstractmethod
    def measure_classes(self, probabilities: object, targets: object, together: Sequence[str] = ()) -> ClassReport:
        """Measure the figures of each class, and which are confused; `together` names each image's group."""

    @abstractmethod
    def measure_losses(self, probabilities: NDArray[Any], targets: NDArray[np.int64]) -> NDArray[Any]:
        """Measure the log loss of each image, (N,), in nats."""

    def measure_evened_loss(self, probabilities: NDArray[Any], targets: NDArray[np.int64]) -> float:
        """Measure the log loss to which every class counts the same, however rare."""
        losses = self.measure_losses(probabilities.astype(np.float64), targets)
        return float((losses * self.weigh_images(targets)).mean())

    def to_json(self) -> dict[str, Any]:
        """Return its entry in `bundle.json`; `task.kinds.load_task` reads it."""
        return {"kind": self.kind, **asdict(self)}
