"""How each label fares where an image may have several: what is found, what is missed, what is a false alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightx_cli.metrics.answers import Answers, SetAnswers
from sightx_cli.metrics.class_report import ClassFigures, ClassReport
from sightx_cli.metrics.intervals import Interval, build_interval, measure_share, weigh_evidence
from sightx_cli.metrics.registry import AVERAGE_PRECISION, ROC_AUC
from sightx_cli.metrics.units import Units, build_units

RANKINGS = (ROC_AUC, AVERAGE_PRECISION)
"""The figures of a label's ranking, as those of two classes: without it, with it."""


@dataclass(frozen=True, kw_only=True)
class LabelFigures(ClassFigures):
    """How one label fares: its figures are None where they have no meaning (no image with it, or none without)."""

    average_precision: float | None
    roc_auc: float | None
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int


def measure_label_report(
    answers: SetAnswers, classes: Sequence[str], thresholds: Sequence[float], together: Sequence[str] = ()
) -> ClassReport:
    """Measure each label's figures with their intervals, by group where `together` names some (`metrics.intervals`)."""
    units = build_units(together, len(answers.truth))
    return ClassReport(
        tuple(
            _measure_label(answers, place, str(name), float(thresholds[place]), units)
            for place, name in enumerate(classes)
        )
    )


def _measure_label(answers: SetAnswers, place: int, name: str, threshold: float, units: Units) -> LabelFigures:
    has, given = answers.truth[:, place] == 1, answers.predicted[:, place] == 1
    values: dict[str, float | None] = {}
    intervals: dict[str, Interval | None] = {}
    for what, among, right in (
        ("sensitivity", has, given),
        ("specificity", ~has, ~given),
        ("precision", given, has),
        ("npv", ~given, ~has),
    ):
        values[what], intervals[what] = measure_share(right, among, units)
    scores = answers.scores[:, place]
    alone = Answers(np.stack([1 - scores, scores], axis=1), answers.truth[:, place])
    evidence = weigh_evidence(alone, units)
    for metric in RANKINGS:
        known = metric.linearise(alone)
        values[metric.name] = None if known is None else known[0]
        intervals[metric.name] = None if known is None else build_interval(metric, *known, alone, evidence)
    return LabelFigures(
        label=name,
        support=int(has.sum()),
        threshold=threshold,
        true_positives=int((has & given).sum()),
        false_positives=int((~has & given).sum()),
        false_negatives=int((has & ~given).sum()),
        true_negatives=int((~has & ~given).sum()),
        intervals=intervals | {"ppv": intervals["precision"]},
        **values,
    )
