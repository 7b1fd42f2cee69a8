"""How sure a figure is: 95 % intervals, Wilson's for a share of images and a seeded bootstrap for the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sightx_cli.metrics.answers import Answers, Floats, Integers, check_answers
from sightx_cli.metrics.metric import SINGLE_LABEL, Metric
from sightx_cli.metrics.registry import METRICS

RESAMPLES = 1_000
MIN_RESAMPLES = 200
MAX_WORK = 200_000_000
"""Images × resamples beyond which fewer resamples are drawn (at least `MIN_RESAMPLES`), and images × classes ×
resamples beyond which ranks are not counted anew in each: some seconds."""

_BLOCK, _BLOCK_WEIGHTS = 100, 10_000_000  # resamples held at a time, and their weights: 80 MB

Interval = tuple[float, float]


def measure_intervals(
    probabilities: object,
    targets: object,
    classes: Sequence[str],
    kind: str,
    together: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Measure the 95 % interval of every figure of `measure_figures`; None where the figure is None.

    A share of images: Wilson's score interval (Wilson 1927), which stays within 0…1 and holds for few images. The
    others: the 2.5 and 97.5 percentiles over resamples of the images with replacement; in a resample that misses a
    class, balanced_accuracy is the mean of the classes left, and roc_auc that of the classes that can still be ranked.

    `together` names each image's group ("" for none). Where images share one, whole groups are resampled, for shares
    too: images of one patient are not independent evidence. Where no resample differs from another, as where every
    image is right, see `widen`.

    Arguments and errors as in `measure_figures`.
    """
    return measure_answer_intervals(check_answers(probabilities, targets, classes), kind, together, seed)


def measure_answer_intervals(
    answers: Answers, kind: str, together: Sequence[str] = (), seed: int = 0
) -> dict[str, Interval | None]:
    """Measure the intervals of answers that are checked (see `measure_intervals`)."""
    count, units = len(answers.truth), number_units(together, len(answers.truth))
    resampled = resample(answers, units, kind, np.random.default_rng(seed), count_resamples(count))
    independent, rarest = count_units(answers, units)
    intervals: dict[str, Interval | None] = {}
    for name, metric in METRICS.items():
        if metric.is_share and kind in metric.kinds and independent == count:
            intervals[name] = measure_wilson(round((metric.measure(answers) or 0.0) * count), count)
        else:
            intervals[name] = widen(metric, take_percentiles(resampled[name]), independent, rarest)
    return intervals


def name_units(together: Sequence[str]) -> str:
    """Say what is resampled: "groups" where images share one, else "images"."""
    named = [name for name in together if name]
    return "groups" if len(set(named)) < len(named) else "images"


def number_units(together: Sequence[str], count: int) -> Integers:
    """Number the unit that each of `count` images is resampled with, (count,): its group, or itself without one."""
    if name_units(together) == "images":
        return np.arange(count)
    names = np.array([name or f"\0{place}" for place, name in enumerate(together)], dtype=object).astype(str)
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def count_units(answers: Answers, units: Integers) -> tuple[int, int]:
    """Count the units of all images, and those of the class that has fewest."""
    return len(np.unique(units)), answers.count_rarest(units)


def widen(metric: Metric, interval: Interval | None, units: int, rarest: int) -> Interval | None:
    """Replace an interval of no width, which says only that all resamples agree and not how sure the figure is.

    A share gets Wilson's interval by the number of independent units. Another figure within 0…1 that is 0 or 1 gets
    Wilson's by those of the rarest class, on which it hangs most. None, "not known", for all others.
    """
    if interval is None or interval[1] - interval[0] > 1e-9:
        return interval
    value = interval[0]
    if metric.is_share:
        return measure_wilson(round(value * units), units)
    if metric.is_bounded and min(abs(value), abs(value - 1)) < 1e-9:
        return measure_wilson(round(value) * rarest, rarest)
    return None


def measure_wilson(right: int, total: int) -> Interval:
    """Wilson's 95 % interval of a share `right` / `total`, `total` at least 1."""
    from scipy.stats import binomtest

    low, high = binomtest(right, total).proportion_ci(method="wilson")
    return float(low), float(high)


def count_resamples(images: int) -> int:
    """Return how many resamples to draw of this many images."""
    return int(np.clip(MAX_WORK // images, MIN_RESAMPLES, RESAMPLES))


def is_linearised(images: int, classes: int, resamples: int) -> bool:
    """Tell whether a figure that counts ranks in each class is linearised, and not counted anew in each resample."""
    return images * classes * resamples > MAX_WORK


def describe_bounds(images: int, classes: int, kind: str = SINGLE_LABEL) -> str:
    """Say what bounds the work of the intervals of so many images and classes; "" where nothing has to."""
    resamples = count_resamples(images)
    linear = [metric.title for metric in METRICS.values() if kind in metric.kinds and metric.linearise]
    names = f"that of {linear[0]} is" if len(linear) == 1 else f"those of {', '.join(linear)} are"
    said = [f"{names} linearised (DeLong)"] * is_linearised(images, classes, resamples)
    said += [f"{resamples:,} resamples and not {RESAMPLES:,}"] * (resamples < RESAMPLES)
    return f"95 % intervals of {images:,} images in {classes:,} classes: {', '.join(said)}" if said else ""


def resample(
    answers: Answers, units: Integers, kind: str, generator: np.random.Generator, resamples: int
) -> dict[str, Floats]:
    """Draw units (0 … their number − 1, of each image) with replacement; the figures of each resample, (resamples,).

    Empty where the figure has no meaning. Beyond MAX_WORK a figure that counts ranks in each class is linearised
    instead: its value, and how much each image contributes to it, are measured once (see `registry.linearise_roc_auc`).
    """
    drawn: dict[str, list[Floats]] = {name: [] for name in METRICS}
    applicable = [metric for metric in METRICS.values() if kind in metric.kinds]
    is_large = is_linearised(len(answers.truth), answers.classes, resamples)
    linear = {metric.name: metric.linearise(answers) for metric in applicable if is_large and metric.linearise}
    for weights in draw_weights(units, generator, resamples):
        for metric in applicable:
            if metric.name in linear:
                known = linear[metric.name]
                values = None if known is None else known[0] + weights @ known[1]
            else:
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


def draw_weights(units: Integers, generator: np.random.Generator, resamples: int) -> Iterator[Floats]:
    """Yield how often each image occurs in each resample, (R, N), some resamples at a time; `units` are drawn whole."""
    block = int(np.clip(_BLOCK_WEIGHTS // len(units), 1, _BLOCK))
    distinct = int(units.max()) + 1
    for start in range(0, resamples, block):
        rows = min(block, resamples - start)
        places = generator.integers(0, distinct, (rows, distinct)) + distinct * np.arange(rows)[:, None]
        counts = np.bincount(places.ravel(), minlength=rows * distinct)
        yield counts.reshape(rows, distinct).astype(np.float64)[:, units]
