"""The figures of merit of a classifier, each from its probabilities: what every command reports and chooses by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sightx_cli.errors import DataError
from sightx_cli.metrics.answers import Answers, check_answers
from sightx_cli.metrics.class_report import ClassFigures, ClassReport
from sightx_cli.metrics.registry import METRICS


def measure_figures(
    probabilities: object, targets: object, classes: Sequence[str], kind: str
) -> dict[str, float | None]:
    """Measure every metric of the registry; None where it has no meaning for this kind of task, or these answers.

    `probabilities` is (N, C), each row summing to 1; `targets` is (N,), the index of the true class.

    Raises: `TrainingError` for probabilities that are not finite, `DataError` for shapes that do not fit.
    """
    return measure_answers(check_answers(probabilities, targets, classes), kind)


def measure_answers(answers: Answers, kind: str) -> dict[str, float | None]:
    """Measure every metric of answers that are checked."""
    return {name: metric.measure(answers) if kind in metric.kinds else None for name, metric in METRICS.items()}


def measure_classes(probabilities: object, targets: object, classes: Sequence[str]) -> ClassReport:
    """Measure each class's sensitivity, precision and support, and the confusion matrix.

    Arguments and errors as in `measure_figures`.
    """
    answers, count = check_answers(probabilities, targets, classes), len(classes)
    confusion = np.bincount(answers.truth * count + answers.predicted, minlength=count**2).reshape(count, count)
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
    """Whether `new` is better than `old` by this metric; a figure that is None or NaN is never better.

    Raises: `DataError` for a metric that is not one of `METRICS`.
    """
    if metric not in METRICS:
        raise DataError(
            f"{metric!r} is not a metric; allowed are {', '.join(METRICS)}", "add --set training.metric=accuracy"
        )
    if new is None or np.isnan(new):
        return False
    if old is None or np.isnan(old):
        return True
    return new < old if METRICS[metric].lower_is_better else new > old
