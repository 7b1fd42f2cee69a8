"""The figures of merit of a classifier, each from its probabilities: what every command reports and chooses by."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from sightx_cli.errors import DataError
from sightx_cli.metrics.answers import Answers, check_answers
from sightx_cli.metrics.registry import CHOOSING, METRICS, list_metrics


def measure_figures(
    probabilities: object, targets: object, classes: Sequence[str], kind: str
) -> dict[str, float | None]:
    """Measure every metric of a kind of task; None where it has no meaning for these answers, or only for grades.

    `probabilities` is (N, C), each row summing to 1; `targets` is (N,), the index of the true class.

    Raises: `TrainingError` for probabilities that are not finite, `DataError` for shapes that do not fit.
    """
    return measure_answers(check_answers(probabilities, targets, classes), kind)


def measure_answers(answers: Answers, kind: str, names: Collection[str] | None = None) -> dict[str, float | None]:
    """Measure every metric of answers that are checked, or those of some names."""
    return {
        name: metric.measure(answers) if kind in metric.kinds else None
        for name, metric in list_metrics(kind).items()
        if names is None or name in names
    }


def is_better(metric: str, new: float | None, old: float | None) -> bool:
    """Whether `new` is better than `old` by this metric; a figure that is None or NaN is never better.

    Raises: `DataError` for a metric that is not one of `CHOOSING`.
    """
    if metric not in CHOOSING:
        raise DataError(
            f"{metric!r} is not a metric; allowed are {', '.join(CHOOSING)}", "add --set training.metric=accuracy"
        )
    if new is None or np.isnan(new):
        return False
    if old is None or np.isnan(old):
        return True
    return new < old if METRICS[metric].lower_is_better else new > old
