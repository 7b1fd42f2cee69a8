"""The figures of merit of a classifier, each from its probabilities: what every command reports and chooses by."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightx_cli.errors import DataError
from sightx_cli.metrics.intervals import measure_intervals
from sightx_cli.metrics.scores import METRICS, Floats, Integers, check_scores, measure_losses

__all__ = [
    "LOWER_IS_BETTER",
    "METRICS",
    "ClassFigures",
    "ClassReport",
    "is_better",
    "measure_classes",
    "measure_figures",
    "measure_intervals",
]

LOWER_IS_BETTER = ("loss",)


@dataclass(frozen=True)
class ClassFigures:
    """How one class fares: its figures are None where they have no meaning (no image, or none predicted)."""

    label: str
    sensitivity: float | None
    precision: float | None
    support: int


@dataclass(frozen=True)
class ClassReport:
    """The figures of each class, and the confusion matrix: rows are the true classes, columns the predicted ones."""

    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]

    def to_json(self) -> dict[str, object]:
        """The report as plain lists and numbers."""
        return {
            "classes": [vars(figures) for figures in self.classes],
            "confusion": [list(row) for row in self.confusion],
        }


def measure_figures(
    probabilities: object, targets: object, classes: Sequence[str], ordered: bool
) -> dict[str, float | None]:
    """Measure accuracy, balanced_accuracy, roc_auc, quadratic_kappa and loss.

    `probabilities` is (N, C), each row summing to 1; `targets` is (N,), the index of the true class. balanced_accuracy
    is the mean sensitivity of the classes that occur. roc_auc is that of class 1 of two, else the macro mean of one
    class against the rest, and None where a class has no image. quadratic_kappa is None where the classes have no
    order (or only one occurs, among truths and predictions alike). loss is the mean of −ln p(true class), in nats.

    Raises: `TrainingError` for probabilities that are not finite, `DataError` for shapes that do not fit.
    """
    scores, truth = check_scores(probabilities, targets, classes)
    predicted = scores.argmax(axis=1)
    return {
        "accuracy": float((predicted == truth).mean()),
        "balanced_accuracy": _measure_balanced_accuracy(truth, predicted, len(classes)),
        "roc_auc": _measure_roc_auc(scores, truth),
        "quadratic_kappa": _measure_kappa(truth, predicted, len(classes)) if ordered else None,
        "loss": float(measure_losses(scores, truth).mean()),
    }


def measure_classes(probabilities: object, targets: object, classes: Sequence[str]) -> ClassReport:
    """Measure each class's sensitivity, precision and support, and the confusion matrix.

    Arguments and errors as in `measure_figures`.
    """
    scores, truth = check_scores(probabilities, targets, classes)
    confusion = _count_confusion(truth, scores.argmax(axis=1), len(classes))
    support, predicted, right = confusion.sum(axis=1), confusion.sum(axis=0), confusion.diagonal()
    figures = tuple(
        ClassFigures(
            label=str(label),
            sensitivity=float(right[place] / support[place]) if support[place] else None,
            precision=float(right[place] / predicted[place]) if predicted[place] else None,
            support=int(support[place]),
        )
        for place, label in enumerate(classes)
    )
    return ClassReport(figures, tuple(tuple(int(count) for count in row) for row in confusion))


def is_better(metric: str, new: float | None, old: float | None) -> bool:
    """Whether `new` is better than `old` by this metric; a figure that is None or NaN is better than nothing else.

    Raises: `DataError` for a metric that is not one of `METRICS`.
    """
    if metric not in METRICS:
        raise DataError(
            f"{metric!r} is no metric; it can be {', '.join(METRICS)}", "add --set training.metric=accuracy"
        )
    if new is None or np.isnan(new):
        return False
    if old is None or np.isnan(old):
        return True
    return new < old if metric in LOWER_IS_BETTER else new > old


def _count_confusion(truth: Integers, predicted: Integers, classes: int) -> Integers:
    return np.bincount(truth * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def _measure_balanced_accuracy(truth: Integers, predicted: Integers, classes: int) -> float:
    support = np.bincount(truth, minlength=classes)
    right = np.bincount(truth[truth == predicted], minlength=classes)
    return float((right[support > 0] / support[support > 0]).mean())


def _measure_roc_auc(scores: Floats, truth: Integers) -> float | None:
    from sklearn.metrics import roc_auc_score

    classes = scores.shape[1]
    if classes < 2 or len(np.unique(truth)) < classes:
        return None
    if classes == 2:
        return float(roc_auc_score(truth, scores[:, 1]))
    return float(np.mean([roc_auc_score(truth == place, scores[:, place]) for place in range(classes)]))


def _measure_kappa(truth: Integers, predicted: Integers, classes: int) -> float | None:
    from sklearn.metrics import cohen_kappa_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a single class among truths and predictions gives NaN, told below by None
        value = float(cohen_kappa_score(truth, predicted, labels=list(range(classes)), weights="quadratic"))
    return None if np.isnan(value) else value
