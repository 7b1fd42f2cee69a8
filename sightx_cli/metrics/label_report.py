"""How each label fares where an image may have several: what is found, what is missed, what is a false alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sightx_cli.metrics.answers import Booleans, Floats, Integers, SetAnswers
from sightx_cli.metrics.class_report import ClassFigures, ClassReport
from sightx_cli.metrics.intervals import (
    Interval,
    count_resamples,
    draw_weights,
    is_linearised,
    measure_wilson,
    number_units,
    take_percentiles,
)
from sightx_cli.metrics.ranks import linearise_area, linearise_precision, weigh_area, weigh_precision

AREA, PRECISION = "roc_auc", "average_precision"
"""The figures of a label's ranking, by their names in the report."""
RANKINGS = {AREA: (linearise_area, weigh_area), PRECISION: (linearise_precision, weigh_precision)}
"""How each is linearised, and how it is resampled."""


@dataclass(frozen=True, kw_only=True)
class LabelFigures(ClassFigures):
    """How one label fares: its figures are None where they have no meaning (no image with it, or none without)."""

    average_precision: float | None
    roc_auc: float | None
    threshold: float
    """The probability from which an image is given the label."""
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    intervals: Mapping[str, Interval | None]
    """The 95 % interval of each figure, by its name."""

    def to_json(self) -> dict[str, object]:
        """The figures by name."""
        return dict(vars(self))


def measure_label_report(
    answers: SetAnswers,
    classes: Sequence[str],
    thresholds: Sequence[float],
    together: Sequence[str] = (),
    seed: int = 0,
) -> ClassReport:
    """Measure each label's figures with their intervals, which resample whole groups where `together` names some.

    Shares of independent images have Wilson's interval, the others percentiles of resamples (see `metrics.intervals`).
    """
    units = number_units(together, len(answers.truth))
    rankings = _resample_rankings(answers, units, seed)
    figures = tuple(
        _measure_label(answers, place, str(name), thresholds[place], units, rankings[place], seed)
        for place, name in enumerate(classes)
    )
    return ClassReport(figures)


def _measure_label(
    answers: SetAnswers,
    place: int,
    name: str,
    threshold: float,
    units: Integers,
    rankings: Mapping[str, tuple[float, Floats]],
    seed: int,
) -> LabelFigures:
    has, given = answers.truth[:, place] == 1, answers.predicted[:, place] == 1
    shares = {"sensitivity": (has, given), "specificity": (~has, ~given), "precision": (given, has)}
    values = {what: float(right[among].mean()) if among.any() else None for what, (among, right) in shares.items()}
    intervals: dict[str, Interval | None] = {}
    independent = len(np.unique(units)) == len(units)
    for what, (among, right) in shares.items():
        if not among.any():
            intervals[what] = None
        elif independent:
            intervals[what] = measure_wilson(int(right[among].sum()), int(among.sum()))
        else:
            intervals[what] = _resample_share(among, right, units, seed)
    for what in RANKINGS:
        value, drawn = rankings.get(what, (None, np.empty(0)))
        values[what], intervals[what] = value, None
        if value is not None:
            rarest = min(len(np.unique(units[side])) for side in (has, ~has))
            intervals[what] = _widen_ranking(take_percentiles(drawn), rarest)
    return LabelFigures(
        label=name,
        support=int(has.sum()),
        threshold=float(threshold),
        true_positives=int((has & given).sum()),
        false_positives=int((~has & given).sum()),
        false_negatives=int((has & ~given).sum()),
        true_negatives=int((~has & ~given).sum()),
        intervals=intervals,
        **values,
    )


def _resample_rankings(answers: SetAnswers, units: Integers, seed: int) -> list[dict[str, tuple[float, Floats]]]:
    """Measure and resample each label's rankings: the value and (R,) by figure; none of a label that has no ranking."""
    resamples, generator = count_resamples(len(units)), np.random.default_rng(seed)
    is_large = is_linearised(len(units), answers.classes, resamples)
    sides = [answers.truth[:, place] == 1 for place in range(answers.classes)]
    ranked = [place for place, has in enumerate(sides) if has.any() and not has.all()]
    known = {
        (place, what): linearise(answers.scores[:, place], sides[place])
        for place in ranked
        for what, (linearise, _) in RANKINGS.items()
    }
    drawn: dict[tuple[int, str], list[Floats]] = {key: [] for key in known}
    for weights in draw_weights(units, generator, resamples):
        for (place, what), (value, contributions) in known.items():
            weigh = RANKINGS[what][1]
            counted = None if is_large else weigh(weights, answers.scores[:, place], sides[place])
            drawn[place, what].append(value + weights @ contributions if counted is None else counted)
    return [
        {
            what: (known[place, what][0], np.concatenate(drawn[place, what]))
            for what in RANKINGS
            if (place, what) in known
        }
        for place in range(answers.classes)
    ]


def _resample_share(among: Booleans, right: Booleans, units: Integers, seed: int) -> Interval | None:
    """Resample the share of right images among some, by units; Wilson's by the units where no resample differs."""
    shares = []
    for weights in draw_weights(units, np.random.default_rng(seed), count_resamples(len(units))):
        total = weights @ among
        shares.append(np.divide(weights @ (among & right), total, out=np.full(len(total), np.nan), where=total > 0))
    interval = take_percentiles(np.concatenate(shares))
    if interval is None or interval[1] - interval[0] > 1e-9:
        return interval
    distinct = len(np.unique(units[among]))
    return measure_wilson(round(interval[0] * distinct), distinct)


def _widen_ranking(interval: Interval | None, rarest: int) -> Interval | None:
    """Replace an interval of no width by Wilson's of the rarer side's units, where the figure is 0 or 1."""
    if interval is None or interval[1] - interval[0] > 1e-9:
        return interval
    return measure_wilson(round(interval[0]) * rarest, rarest) if interval[0] in (0.0, 1.0) else None
