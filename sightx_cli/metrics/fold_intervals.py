"""Figures over the folds of a cross-validation: each one's mean, the interval of that mean, its standard error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightx_cli.metrics.answers import Answers, Booleans, Floats, check_answers
from sightx_cli.metrics.intervals import Interval, build_interval, measure_variance, weigh_evidence
from sightx_cli.metrics.metric import Metric
from sightx_cli.metrics.registry import list_metrics
from sightx_cli.metrics.units import build_units, name_units


@dataclass(frozen=True)
class FoldFigures:
    """The mean over the folds of each figure, its 95 % interval, and its standard error (NaN without a figure)."""

    folds: int
    metrics: dict[str, float | None]
    intervals: dict[str, Interval | None]
    errors: dict[str, float]
    intervals_by: str = "images"
    """What is independent: images, or groups."""


def measure_fold_figures(
    probabilities: object, targets: object, folds: object, classes: Sequence[str], kind: str, together: Sequence[str]
) -> FoldFigures:
    """Measure out-of-fold probabilities (N, C): each figure's mean over the folds that have it, interval, error.

    `folds` is the fold in which each image was predicted, `together` its group ("" for none): images of one patient are
    not independent evidence. The intervals are those of `metrics.intervals`.

    Arguments and errors as in `measure_figures`.
    """
    return measure_answer_folds(check_answers(probabilities, targets, classes), folds, kind, together)


def measure_answer_folds(answers: Answers, folds: object, kind: str, together: Sequence[str]) -> FoldFigures:
    """Measure out-of-fold answers that are checked (see `measure_fold_figures`)."""
    fold_of = np.asarray(folds)
    present = np.unique(fold_of)
    evidence = weigh_evidence(answers, build_units(together, len(answers.truth)))
    found = FoldFigures(len(present), {}, {}, {}, name_units(together))
    parts = [(fold_of == fold, answers.take(fold_of == fold)) for fold in present]
    for name, metric in list_metrics(kind).items():
        known = average_folds(metric, parts, len(answers.truth)) if kind in metric.kinds else None
        found.metrics[name], found.intervals[name], found.errors[name] = None, None, float("nan")
        if known is not None:
            found.metrics[name] = known.mean
            found.intervals[name] = build_interval(metric, known.mean, known.contributions, answers, evidence)
            found.errors[name] = float(
                np.sqrt(measure_variance(known.contributions * evidence.scale, evidence.units)[0])
            )
    return found


@dataclass(frozen=True)
class FoldAverage:
    """A figure averaged over the folds that have it."""

    mean: float
    contributions: Floats
    """What each image contributes to the mean, (N,)."""
    by_fold: Floats
    """The figure of each fold, NaN where it has none."""


def average_folds(metric: Metric, parts: Sequence[tuple[Booleans, Answers]], images: int) -> FoldAverage | None:
    """Average a figure over folds, each the images (N,) that it holds and their answers; None where no fold has it."""
    known = [(here, metric.linearise(answers)) for here, answers in parts]
    by_fold = np.array([np.nan if found is None else found[0] for _, found in known])
    count = int(np.isfinite(by_fold).sum())
    if not count:
        return None
    contributions = np.zeros(images)
    for here, found in known:
        if found is not None:
            contributions[here] = found[1] / count
    return FoldAverage(float(np.nanmean(by_fold)), contributions, by_fold)
