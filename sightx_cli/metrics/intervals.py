"""How sure a figure is: 95 % intervals, Wilson's for accuracy and a seeded bootstrap for the others."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from sightx_cli.metrics.scores import METRICS, Floats, Integers, check_scores, measure_losses

Z_95 = 1.959964  # the 97.5 % point of the normal distribution
RESAMPLES = 1_000
MAX_WORK = 200_000_000
"""Images × classes × resamples beyond which fewer resamples are drawn (at least `MIN_RESAMPLES`): some seconds."""
MIN_RESAMPLES = 200

_BLOCK = 100  # resamples held at a time

Interval = tuple[float, float]


def measure_intervals(
    probabilities: object, targets: object, classes: Sequence[str], ordered: bool, seed: int = 0
) -> dict[str, Interval | None]:
    """Measure the 95 % interval of every figure of `measure_figures`; None where the figure is None.

    accuracy: Wilson's score interval (Wilson 1927), which stays within 0…1 and holds for few images. The others: the
    2.5 and 97.5 percentiles over resamples of the images with replacement; in a resample that misses a class,
    balanced_accuracy is the mean of the classes left, and roc_auc that of the classes that can still be ranked.

    Arguments and errors as in `measure_figures`.
    """
    scores, truth = check_scores(probabilities, targets, classes)
    drawn = _resample(scores, truth, np.arange(len(truth)), ordered, np.random.default_rng(seed))
    right = scores.argmax(axis=1) == truth
    intervals = {name: _take_percentiles(values) for name, values in drawn.items()}
    return intervals | {"accuracy": measure_wilson(int(right.sum()), len(right))}


def resample_folds(
    probabilities: object,
    targets: object,
    folds: object,
    classes: Sequence[str],
    ordered: bool,
    groups: Sequence[str] | None = None,
    seed: int = 0,
) -> dict[str, Floats]:
    """Resample the mean over the folds of every figure: (resamples,) each, empty where the figure has no meaning.

    `folds` says of each image in which fold it was predicted. Within each fold images are drawn with replacement, or
    whole groups of them ("" is a group of its own): images of one patient are no independent evidence.

    Arguments and errors as in `measure_figures`.
    """
    scores, truth = check_scores(probabilities, targets, classes)
    fold_of = np.asarray(folds)
    units = np.arange(len(truth))
    if groups is not None:
        named = [group or f"\0{place}" for place, group in enumerate(groups)]
        units = np.unique(np.array(named, dtype=object).astype(str), return_inverse=True)[1].astype(np.int64)
    generator = np.random.default_rng(seed)
    found: dict[str, list[Floats]] = {name: [] for name in METRICS}
    resamples = _count_resamples(scores)
    for fold in np.unique(fold_of):
        here = fold_of == fold
        own = np.unique(units[here], return_inverse=True)[1]
        for name, values in _resample(scores[here], truth[here], own, ordered, generator, resamples).items():
            if len(values):
                found[name].append(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample in which no fold has the figure
        return {name: np.nanmean(rows, axis=0) if rows else np.empty(0) for name, rows in found.items()}


def measure_fold_intervals(
    resampled: dict[str, Floats], right: int, units: int, images: int
) -> dict[str, Interval | None]:
    """Measure the 95 % interval of each mean over folds from `resample_folds`.

    Where all images are right (or all wrong) resampling says nothing: accuracy then has Wilson's interval, by the
    number of independent `units` (images, or groups of them).
    """
    intervals = {name: _take_percentiles(values) for name, values in resampled.items()}
    if right in (0, images):
        intervals["accuracy"] = measure_wilson(units if right else 0, units)
    return intervals


def _count_resamples(scores: Floats) -> int:
    return int(np.clip(MAX_WORK // (scores.size or 1), MIN_RESAMPLES, RESAMPLES))


def _resample(
    scores: Floats,
    truth: Integers,
    units: Integers,
    ordered: bool,
    generator: np.random.Generator,
    resamples: int | None = None,
) -> dict[str, Floats]:
    """Draw units (0 … their number − 1, of each image) with replacement; the figures of each resample, (resamples,)."""
    right, count = scores.argmax(axis=1) == truth, scores.shape[1]
    ranked = 2 <= count == len(np.unique(truth))
    drawn: dict[str, list[Floats]] = {name: [] for name in METRICS}
    total = resamples or _count_resamples(scores)
    for start in range(0, total, _BLOCK):
        weights = _draw_weights(generator, int(units.max()) + 1, min(_BLOCK, total - start))[:, units]
        drawn["accuracy"].append(np.asarray(weights @ right / weights.sum(axis=1)))
        drawn["balanced_accuracy"].append(_resample_balanced_accuracy(weights, truth, right, count))
        drawn["loss"].append(_resample_loss(weights, scores, truth))
        if ranked:
            drawn["roc_auc"].append(_resample_roc_auc(weights, scores, truth))
        if ordered:
            drawn["quadratic_kappa"].append(_resample_kappa(weights, truth, scores.argmax(axis=1), count))
    return {name: np.concatenate(values) if values else np.empty(0) for name, values in drawn.items()}


def measure_wilson(right: int, total: int) -> Interval:
    """Wilson's 95 % interval of a share `right` / `total`, `total` at least 1."""
    share, square = right / total, Z_95**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    reach = Z_95 / (1 + square / total) * (share * (1 - share) / total + square / (4 * total**2)) ** 0.5
    return 0.0 if right == 0 else middle - reach, 1.0 if right == total else middle + reach  # exact at the ends


def _draw_weights(generator: np.random.Generator, images: int, resamples: int) -> Floats:
    """How often each image stands in each resample: (resamples, images)."""
    places = generator.integers(0, images, (resamples, images)) + images * np.arange(resamples)[:, None]
    counts = np.bincount(places.ravel(), minlength=resamples * images)
    return counts.reshape(resamples, images).astype(np.float64)


def _sum_by_class(weights: Floats, groups: Integers, count: int) -> Floats:
    """Sum weights (resamples, images) by group: (resamples, count)."""
    order = np.argsort(groups, kind="stable")
    summed = np.zeros((len(weights), count))
    present, starts = np.unique(groups[order], return_index=True)
    if len(present):
        summed[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return summed


def _resample_balanced_accuracy(
    weights: Floats, truth: Integers, right: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], count: int
) -> Floats:
    support = _sum_by_class(weights, truth, count)
    hits = _sum_by_class(weights[:, right], truth[right], count)
    shares = np.divide(hits, support, out=np.full_like(hits, np.nan), where=support > 0)
    return np.asarray(np.nanmean(shares, axis=1), dtype=np.float64)


def _resample_loss(weights: Floats, scores: Floats, truth: Integers) -> Floats:
    return np.asarray(weights @ measure_losses(scores, truth) / weights.sum(axis=1))


def _resample_roc_auc(weights: Floats, scores: Floats, truth: Integers) -> Floats:
    places = [1] if scores.shape[1] == 2 else range(scores.shape[1])
    areas = np.array([_weigh_area(weights, scores[:, place], truth == place) for place in places])
    usable = ~np.isnan(areas)
    return np.where(usable.any(axis=0), np.nansum(areas, axis=0) / np.maximum(usable.sum(axis=0), 1), np.nan)


def _weigh_area(weights: Floats, scores: Floats, positive: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> Floats:
    """The area under the ROC curve of each resample: the share of pairs ranked right, ties counting half."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf) > 0)
    ordered = weights[:, order]
    above = np.add.reduceat(ordered * positive[order], starts, axis=1)
    below = np.add.reduceat(ordered * ~positive[order], starts, axis=1)
    lower = np.cumsum(below, axis=1) - below
    pairs = above.sum(axis=1) * below.sum(axis=1)
    won = (above * (lower + below / 2)).sum(axis=1)
    return np.asarray(np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0))


def _resample_kappa(weights: Floats, truth: Integers, predicted: Integers, count: int) -> Floats:
    """Cohen's kappa with quadratic weights: 1 − observed / expected squared distance of the grades."""
    observed = weights @ (truth - predicted).astype(np.float64) ** 2
    true_shares, predicted_shares = _sum_by_class(weights, truth, count), _sum_by_class(weights, predicted, count)
    distances = (np.arange(count)[:, None] - np.arange(count)[None, :]).astype(np.float64) ** 2
    expected = np.einsum("ri,ij,rj->r", true_shares, distances, predicted_shares) / weights.sum(axis=1)
    return np.asarray(1 - np.divide(observed, expected, out=np.full(len(weights), np.nan), where=expected > 0))


def _take_percentiles(values: Floats) -> Interval | None:
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
