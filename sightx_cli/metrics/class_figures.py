"""How each class fares against the rest: what is found of it, what is mistaken for it, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sightx_cli.metrics.answers import check_answers
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
    answers, count = check_answers(probabilities, targets, classes), len(classes)
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
