"""Figures over the folds of a cross-validation: each one's mean, the interval of that mean, its standard error."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightx_cli.metrics.answers import Answers, Floats, Integers, check_answers
from sightx_cli.metrics.figures import measure_answers
from sightx_cli.metrics.intervals import (
    Interval,
    count_resamples,
    count_units,
    name_units,
    number_units,
    resample,
    take_percentiles,
    widen,
)
from sightx_cli.metrics.registry import METRICS


@dataclass(frozen=True)
class FoldFigures:
    """The mean over the folds of each figure, its 95 % interval, and its standard error (NaN without a figure)."""

    folds: int
    metrics: dict[str, float | None]
    intervals: dict[str, Interval | None]
    errors: dict[str, float]
    intervals_by: str = "images"
    """What was resampled: images, or groups."""


def measure_fold_figures(
    probabilities: object,
    targets: object,
    folds: object,
    classes: Sequence[str],
    kind: str,
    together: Sequence[str],
    seed: int = 0,
) -> FoldFigures:
    """Measure out-of-fold probabilities (N, C): each figure's mean over the folds that have it, interval, error.

    `folds` is the fold in which each image was predicted, `together` its group ("" for none). Within each fold images
    are drawn with replacement, or whole groups of them: images of one patient are not independent evidence. Where no
    resample differs from another, see `metrics.intervals.widen`.

    Arguments and errors as in `measure_figures`.
    """
    return measure_answer_folds(check_answers(probabilities, targets, classes), folds, kind, together, seed)


def measure_answer_folds(
    answers: Answers, folds: object, kind: str, together: Sequence[str], seed: int = 0
) -> FoldFigures:
    """Measure out-of-fold answers that are checked (see `measure_fold_figures`)."""
    fold_of = np.asarray(folds)
    units = number_units(together, len(answers.truth))
    independent, rarest = count_units(answers, units)
    present = np.unique(fold_of)
    rows = [measure_answers(answers.take(fold_of == fold), kind) for fold in present]
    metrics = {name: _take_mean([row[name] for row in rows]) for name in METRICS}
    resampled = _resample_folds(answers, fold_of, units, kind, seed)
    errors = {name: float(np.nanstd(values)) if len(values) else float("nan") for name, values in resampled.items()}
    intervals = {
        name: None if metrics[name] is None else widen(metric, take_percentiles(resampled[name]), independent, rarest)
        for name, metric in METRICS.items()
    }
    return FoldFigures(len(present), metrics, intervals, errors, name_units(together))


def _take_mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _resample_folds(answers: Answers, fold_of: Integers, units: Integers, kind: str, seed: int) -> dict[str, Floats]:
    """Resample the mean over the folds of every figure: (resamples,) each, empty where it has no meaning."""
    generator, resamples = np.random.default_rng(seed), count_resamples(len(answers.truth))
    found: dict[str, list[Floats]] = {name: [] for name in METRICS}
    for fold in np.unique(fold_of):
        here = fold_of == fold
        own = np.unique(units[here], return_inverse=True)[1]
        for name, values in resample(answers.take(here), own, kind, generator, resamples).items():
            if len(values):
                found[name].append(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample in which no fold has the figure
        return {name: np.nanmean(rows, axis=0) if rows else np.empty(0) for name, rows in found.items()}
