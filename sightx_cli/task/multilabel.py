"""Several labels for each image, or one, or none: each label is a question of its own, with a threshold of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sightx_cli.metrics.answers import SMALLEST_PROBABILITY, SetAnswers, check_set_answers, measure_set_losses
from sightx_cli.metrics.class_report import ClassReport
from sightx_cli.metrics.label_report import measure_label_report
from sightx_cli.metrics.metric import MULTI_LABEL, Metric
from sightx_cli.metrics.set_registry import MACRO_F1, MEAN_AVERAGE_PRECISION
from sightx_cli.task.label_text import SEPARATORS, join_labels, split_names
from sightx_cli.task.regression import Regression
from sightx_cli.task.task import Task
from sightx_cli.task.thresholds import DEFAULT_THRESHOLD, choose_threshold

if TYPE_CHECKING:
    from torch import Tensor, nn

SHOWN = 8
"""The most thresholds that one line names; the bundle has all."""

LARGEST_PROBABILITY = 1 - 2.0**-24
"""The largest below 1 that float32 holds: its odds are finite."""


@dataclass(frozen=True)
class MultiLabel(Task):
    """Any number of labels for each image; targets are 0 and 1, (N, C), and so are decisions."""

    separator: str = SEPARATORS[0]
    """What joins the labels of an image in a cell."""
    thresholds: tuple[float, ...] | None = None
    """The probability from which an image is given each label; None for one half before they are chosen."""

    kind: ClassVar[str] = MULTI_LABEL
    activation: ClassVar[str] = "sigmoid"
    torch_method: ClassVar[str] = "sigmoid()"
    headline: ClassVar[Metric] = MEAN_AVERAGE_PRECISION
    label_metric: ClassVar[Metric] = MACRO_F1
    gives_several: ClassVar[bool] = True

    @property
    def columns(self) -> tuple[str, ...]:
        """The labels given, joined, and the probability of every label."""
        return ("predictions", *(f"p_{name}" for name in self.classes))

    @property
    def edges(self) -> NDArray[np.float32]:
        """The threshold of each label, (C,)."""
        chosen = self.thresholds or (DEFAULT_THRESHOLD,) * self.outputs
        return np.array(chosen, np.float32)

    def describe(self) -> str:
        """Say how many labels there are."""
        return f"{len(self.classes)} labels, any number for each image"

    def number(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Return whether each image has each label, (N, C), from cells that join their names."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        targets = np.zeros((len(labels), self.outputs), np.int64)
        for row, text in enumerate(labels):
            targets[row, [numbers[name] for name in split_names(text, self.separator)]] = 1
        return targets

    def stratify(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Return the labels of each image, (N, C): parts and folds hold every label in its share."""
        return self.number(labels)

    def find_strata(self, targets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the same from targets."""
        return targets

    def find_missing(self, targets: NDArray[np.int64]) -> list[str]:
        """Name the labels that no image has."""
        return [name for name, count in zip(self.classes, targets.sum(axis=0).tolist(), strict=True) if not count]

    def weigh_classes(self, targets: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the images without each label over those with it: what makes both sides weigh the same."""
        having = targets.sum(axis=0)
        return np.asarray((len(targets) - having).clip(min=1) / having.clip(min=1))

    def activate(self, logits: NDArray[Any]) -> NDArray[np.float32]:
        """Turn logits (N, C) into a probability of its own for each label."""
        with np.errstate(over="ignore"):  # e^1000 is infinite, and its probability 0
            return np.asarray(1 / (1 + np.exp(-logits)), np.float32)

    def build_activation(self) -> nn.Module:
        """Build the module that does the same in torch."""
        from torch import nn

        return nn.Sigmoid()

    def build_loss(self, weight: Tensor | None, smoothing: float) -> Any:
        """Build the binary cross-entropy, averaged over labels and images."""
        return build_binary_loss(weight, smoothing)

    def build_regression(
        self, strength: float, balanced: bool, tolerance: float, warm_start: bool = False
    ) -> Regression:
        """Build one logistic regression for each label."""
        from sightx_cli.task.logistic_regressions import LabelRegression

        return LabelRegression(self.outputs, strength, balanced, tolerance, warm_start)

    def list_logits(self, probabilities: NDArray[Any]) -> NDArray[np.float64]:
        """Return the logarithm of each label's odds, (N, C)."""
        shares = np.clip(probabilities.astype(np.float64), SMALLEST_PROBABILITY, LARGEST_PROBABILITY)
        return np.asarray(np.log(shares) - np.log1p(-shares))

    def measure_smoothed_loss(self, logits: NDArray[np.float64], targets: NDArray[np.int64], smoothing: float) -> float:
        """Measure the mean binary cross-entropy of logits (N, C) against 0 and 1, both moved towards one half."""
        wanted = targets * (1 - smoothing) + smoothing / 2
        return float((np.logaddexp(0, logits) - wanted * logits).mean())

    def list_claims(self, probabilities: NDArray[Any]) -> NDArray[Any]:
        """Return the probability that an image has each label, then that it has not, (N, 2C)."""
        return np.concatenate([probabilities, 1 - probabilities], axis=1)

    def mark_claims(self, answers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Mark the labels that an image has, then those that it has not, (N, 2C)."""
        return np.concatenate([answers == 1, answers == 0], axis=1)

    def decide(self, probabilities: NDArray[Any]) -> NDArray[np.int64]:
        """Return whether each image is given each label, (N, C)."""
        return (np.asarray(probabilities, np.float32) >= self.edges).astype(np.int64)

    def measure_margins(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Measure the distance of the probability that is nearest to its label's threshold, (N,)."""
        return np.asarray(np.abs(probabilities - self.edges).min(axis=1))

    def measure_certainty(
        self,
        probabilities: NDArray[np.float32],
        decided: NDArray[np.int64],  # noqa: ARG002 (the thresholds decide)
        shares: Sequence[float],  # noqa: ARG002 (each label is a question of its own)
    ) -> NDArray[np.float32]:
        """Measure the distance of the probability that is nearest to its label's threshold, (N,)."""
        return self.measure_margins(probabilities)

    def fill_row(self, probabilities: NDArray[np.float32] | None, chosen: int | None = None) -> dict[str, Any]:  # noqa: ARG002 (each label has a threshold of its own)
        """Return the cells of `columns` for one image (C,); empty where it could not be read."""
        if probabilities is None:
            return {**dict.fromkeys(self.columns), "predictions": ""}
        given = self.decide(probabilities[None])[0]
        names = [name for name, has in zip(self.classes, given, strict=True) if has]
        values = (join_labels(names, self.separator), *map(float, probabilities))
        return dict(zip(self.columns, values, strict=True))

    def split_prediction(self, prediction: str) -> tuple[str, ...]:
        """Return the labels that a cell of the column `predictions` names."""
        return split_names(prediction, self.separator)

    def name_classes(self, probabilities: NDArray[np.float32]) -> tuple[str, ...]:
        """Name the labels that an image (C,) is given; the one that is nearest to its threshold where there is none."""
        given = self.decide(probabilities[None])[0]
        names = tuple(name for name, has in zip(self.classes, given, strict=True) if has)
        return names or (self.classes[int((probabilities - self.edges).argmax())],)

    def weigh_logits(self, name: str) -> NDArray[np.float32]:
        """Return weights (C,) of a label's own logit alone: each label is a question of its own."""
        return np.array([float(one == name) for one in self.classes], np.float32)

    def settle(self, probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> MultiLabel:
        """Choose the threshold of each label from a part's probabilities and targets (see `task.thresholds`)."""
        columns = zip(probabilities.T, targets.T, strict=True)
        return replace(self, thresholds=tuple(choose_threshold(scores, has) for scores, has in columns))

    def list_thresholds(self) -> dict[str, float] | None:
        """Return the threshold of each label by its name; None before they are chosen."""
        return None if self.thresholds is None else dict(zip(self.classes, self.thresholds, strict=True))

    def describe_thresholds(self) -> str:
        """Say from which probability an image is given each label, and by what that was chosen."""
        chosen = self.list_thresholds() or {}
        shown = ", ".join(f"{name} {edge:.2f}" for name, edge in list(chosen.items())[:SHOWN])
        more = f" and {len(chosen) - SHOWN:,} more" if len(chosen) > SHOWN else ""
        if not chosen:
            return ""
        return (
            "an image is given a label from these probabilities on, between one half and where F1 was highest on the "
            f"validation part: {shown}{more}"
        )

    def set_thresholds(self, thresholds: Mapping[str, float] | None) -> MultiLabel:
        """Return the task with these thresholds; raises ValueError where they are not those of its labels."""
        if thresholds is None:
            return replace(self, thresholds=None)
        if set(thresholds) != set(self.classes):
            raise ValueError(f"thresholds: found {', '.join(thresholds)!r:.80}; allowed: one for each label")
        return replace(self, thresholds=tuple(float(thresholds[name]) for name in self.classes))

    def check_answers(self, probabilities: object, targets: object) -> SetAnswers:
        """Return probabilities and targets, with what is decided, as the figures take them."""
        return check_set_answers(probabilities, targets, self.decide(np.asarray(probabilities)), self.classes)

    def answer_folds(self, probabilities: object, targets: object, folds: object) -> SetAnswers:
        """Return out-of-fold answers, each fold's with the thresholds that the other folds would have chosen."""
        scores, truth, fold_of = np.asarray(probabilities), np.asarray(targets), np.asarray(folds)
        decided = np.zeros(truth.shape, np.int64)
        for fold in np.unique(fold_of):
            here = fold_of == fold
            decided[here] = self.settle(scores[~here], truth[~here]).decide(scores[here])
        return check_set_answers(scores, truth, decided, self.classes)

    def measure_classes(self, probabilities: object, targets: object, together: Sequence[str] = ()) -> ClassReport:
        """Measure each label's sensitivity, specificity, precision, ranking and support, with intervals."""
        answers = self.check_answers(probabilities, targets)
        edges = self.thresholds or self.edges.tolist()
        return measure_label_report(answers, self.classes, edges, together)

    def measure_losses(self, probabilities: NDArray[Any], targets: NDArray[np.int64]) -> NDArray[Any]:
        """Measure the log loss of each image, the mean over its labels, (N,)."""
        return measure_set_losses(probabilities, targets)

    def to_json(self) -> dict[str, Any]:
        """Return its entry in `bundle.json`; the thresholds stand beside it there."""
        return {name: value for name, value in super().to_json().items() if name != "thresholds"}


def build_binary_loss(weight: Tensor | None, smoothing: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Build the binary cross-entropy of logits (N, C) against labels (N, C), averaged over both.

    `weight` (C,) is how much more an image with a label weighs than one without it; the two are scaled so that the mean
    weight of the training images is 1, as scikit-learn's "balanced" does in the solved head.
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    def measure_loss(logits: Tensor, targets: Tensor) -> Tensor:
        truth = targets.as_subclass(torch.Tensor).to(logits.dtype)
        wanted = truth * (1 - smoothing) + smoothing / 2
        each = binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        if weight is not None:
            ratio = weight.to(logits.device)
            each = each * torch.where(truth > 0.5, (1 + ratio) / 2, (1 + 1 / ratio) / 2)
        return each.mean()

    return measure_loss
