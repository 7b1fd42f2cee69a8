"""How sure a figure is: 95 % intervals, Wilson's for a share of images and a seeded bootstrap for the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sightx_cli.metrics.answers import Answers, Floats, Integers, check_answers
from sightx_cli.metrics.registry import METRICS

RESAMPLES = 1_000
MAX_WORK = 200_000_000
"""Images × classes × resamples beyond which fewer resamples are drawn (at least `MIN_RESAMPLES`): some seconds."""
MIN_RESAMPLES = 200

_BLOCK = 100  # resamples held at a time

Interval = tuple[float, float]


def measure_intervals(
    probabilities: object, targets: object, classes: Sequence[str], kind: str, seed: int = 0
) -> dict[str, Interval | None]:
    """Measure the 95 % interval of every figure of `measure_figures`; None where the figure is None.

    A share of images: Wilson's score interval (Wilson 1927), which stays within 0…1 and holds for few images. The
    others: the 2.5 and 97.5 percentiles over resamples of the images with replacement; in a resample that misses a
    class, balanced_accuracy is the mean of the classes left, and roc_auc that of the classes that can still be ranked.

    Arguments and errors as in `measure_figures`.
    """
    answers = check_answers(probabilities, targets, classes)
    count = len(answers.truth)
    resampled = resample(answers, np.arange(count), kind, np.random.default_rng(seed), count_resamples(answers))
    intervals = {name: take_percentiles(values) for name, values in resampled.items()}
    for name, metric in METRICS.items():
        if metric.is_share and kind in metric.kinds:
            intervals[name] = measure_wilson(round((metric.measure(answers) or 0.0) * count), count)
    return intervals


def measure_wilson(right: int, total: int) -> Interval:
    """Wilson's 95 % interval of a share `right` / `total`, `total` at least 1."""
    from scipy.stats import binomtest

    low, high = binomtest(right, total).proportion_ci(method="wilson")
    return float(low), float(high)


def count_resamples(answers: Answers) -> int:
    """Return how many resamples to draw from this many answers."""
    return int(np.clip(MAX_WORK // (answers.scores.size or 1), MIN_RESAMPLES, RESAMPLES))


def resample(
    answers: Answers, units: Integers, kind: str, generator: np.random.Generator, resamples: int
) -> dict[str, Floats]:
    """Draw units (0 … their number − 1, of each image) with replacement; the figures of each resample, (resamples,).

    Empty where the figure has no meaning.
    """
    drawn: dict[str, list[Floats]] = {name: [] for name in METRICS}
    applicable = [metric for metric in METRICS.values() if kind in metric.kinds]
    for start in range(0, resamples, _BLOCK):
        weights = _draw_weights(generator, int(units.max()) + 1, min(_BLOCK, resamples - start))[:, units]
        for metric in applicable:
            values = metric.resample(answers, weights)
            if values is not None:
                drawn[metric.name].append(values)
    return {name: np.concatenate(values) if values else np.empty(0) for name, values in drawn.items()}


def take_percentiles(values: Floats) -> Interval | None:
    """Return the 2.5 and 97.5 percentiles of what resamples gave; None without any."""
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _draw_weights(generator: np.random.Generator, images: int, resamples: int) -> Floats:
    """How often each image occurs in each resample: (resamples, images)."""
    places = generator.integers(0, images, (resamples, images)) + images * np.arange(resamples)[:, None]
    counts = np.bincount(places.ravel(), minlength=resamples * images)
    return counts.reshape(resamples, images).astype(np.float64)
