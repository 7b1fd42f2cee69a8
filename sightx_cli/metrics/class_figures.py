"""How each class fares against the rest: what is found of it, what is mistaken for it, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightx_cli.errors import DataError
from sightx_cli.metrics.answers import Answers, check_answers
from sightx_cli.metrics.class_report import ClassFigures, ClassReport
from sightx_cli.metrics.intervals import Interval, measure_share
from sightx_cli.metrics.units import build_units


def measure_classes(
    probabilities: object, targets: object, classes: Sequence[str], together: Sequence[str] = ()
) -> ClassReport:
    """Measure each class's sensitivity, specificity, predictive values and support, and the confusion matrix.

    `together` names each image's group ("" for none), for the intervals (see `metrics.intervals`). The other arguments,
    and errors, as in `metrics.figures.measure_figures`.
    """
    return measure_answer_classes(check_answers(probabilities, targets, classes), classes, together)


def measure_answer_classes(answers: Answers, classes: Sequence[str], together: Sequence[str] = ()) -> ClassReport:
    """Measure the same of answers that are checked."""
    count = len(classes)
    confusion = np.bincount(answers.truth * count + answers.predicted, minlength=count**2).reshape(count, count)
    units = build_units(together, len(answers.truth))
    figures = []
    for place, label in enumerate(classes):
        has, given = answers.truth == place, answers.predicted == place
        values: dict[str, float | None] = {}
        intervals: dict[str, Interval | None] = {}
        for name, among, right in (
            ("sensitivity", has, given),
            ("specificity", ~has, ~given),
            ("ppv", given, has),
            ("npv", ~given, ~has),
        ):
            values[name], intervals[name] = measure_share(right, among, units)
        precision = values.pop("ppv")
        figures.append(
            ClassFigures(str(label), precision=precision, support=int(has.sum()), intervals=intervals, **values)
        )
    return ClassReport(tuple(figures), tuple(tuple(int(number) for number in row) for row in confusion))


@dataclass(frozen=True)
class PredictiveValues:
    """What a positive and a negative answer are worth where the class is more, or less, frequent than in the data."""

    prevalence: float
    ppv: float
    ppv_interval: Interval
    npv: float
    npv_interval: Interval

    def to_json(self) -> dict[str, object]:
        """The values by name."""
        return dict(vars(self))


def measure_predictive_values(
    sensitivity: tuple[float, Interval], specificity: tuple[float, Interval], prevalence: float
) -> PredictiveValues:
    """Measure the predictive values at a stated prevalence, from sensitivity and specificity with their intervals.

    By Bayes' rule; the intervals are those of the likelihood ratios, made of the two given ones by variance estimates
    recovery on the log scale (Zou & Donner 2008), around the middles of these, which are never 0 or 1.

    Raises: `DataError` for a prevalence that does not lie between 0 and 1.
    """
    if not 0 < prevalence < 1:
        raise DataError(f"prevalence {prevalence}: allowed are numbers between 0 and 1", "--prevalence 0.05")
    ppv, ppv_interval = _apply_bayes(sensitivity, specificity, prevalence)
    npv, npv_interval = _apply_bayes(specificity, sensitivity, 1 - prevalence)
    return PredictiveValues(prevalence, ppv, ppv_interval, npv, npv_interval)


def _apply_bayes(
    found: tuple[float, Interval], spared: tuple[float, Interval], prevalence: float
) -> tuple[float, Interval]:
    """Return the predictive value of an answer given to a share `found` of its class, and 1 − `spared` of the rest."""
    odds = prevalence / (1 - prevalence)
    right, wrong = found[0] * odds, 1 - spared[0]
    value = right / (right + wrong) if right + wrong > 0 else prevalence
    (low, high), mistaken = found[1], (1 - spared[1][1], 1 - spared[1][0])
    with np.errstate(divide="ignore"):  # a limit of 0 has the logarithm −∞, and the value the limit 0 or 1
        logs = np.log([low, (low + high) / 2, high, mistaken[0], sum(mistaken) / 2, mistaken[1]])
    ratio = logs[1] - logs[4]
    limits = (
        ratio - np.hypot(logs[1] - logs[0], logs[5] - logs[4]),
        ratio + np.hypot(logs[2] - logs[1], logs[4] - logs[3]),
    )
    lower, upper = (float(1 / (1 + np.exp(-np.clip(limit + np.log(odds), -700, 700)))) for limit in limits)
    return value, (min(lower, value), max(upper, value))
