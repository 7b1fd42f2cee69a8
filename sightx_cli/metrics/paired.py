"""Whether one of two models is better: their figures on the same images, and whether chance explains the difference.

Two models are wrong on much the same images. So resamples are drawn once for both, whole groups of them where images
share one, and what is resampled is the difference (paired bootstrap, Efron & Tibshirani 1993).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sightx_cli.errors import DataError
from sightx_cli.metrics.answers import Answers, Floats
from sightx_cli.metrics.intervals import LEAST_FREEDOM, NORMAL_QUANTILE, NOTHING, Evidence, Interval, weigh_evidence
from sightx_cli.metrics.metric import Metric
from sightx_cli.metrics.registry import ACCURACY, list_metrics
from sightx_cli.metrics.units import Units, build_units, count_resamples, is_linearised

SIGNIFICANT = 0.05
"""Two models of equal worth are called different in at most this share of comparisons."""


@dataclass(frozen=True)
class PairedDifference:
    """A figure of two models on the same images, and by how much the second one's is higher."""

    first: float
    second: float
    difference: float
    interval: Interval
    """95 % interval of the difference, of this metric looked at alone."""
    p: float
    """How often chance makes two models of equal worth differ as much, or more."""
    is_different: bool = False
    """Whether the models differ by it, having looked at several metrics (Holm 1979)."""
    is_same: bool = False
    """Whether the two models give the same answer to each image: then the difference is 0, and nothing is estimated."""

    def to_json(self) -> dict[str, object]:
        """The values by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class McNemar:
    """On how many images one of two models alone is right, and how often chance divides these as unequally, or more."""

    only_first: int
    only_second: int
    p: float

    def to_json(self) -> dict[str, object]:
        """The values by name."""
        return dict(vars(self))


def compare_answers(
    first: Answers,
    second: Answers,
    kind: str,
    together: Sequence[str] = (),
    names: Collection[str] | None = None,
    seed: int = 0,
) -> dict[str, PairedDifference]:
    """Compare two models' answers for the same images by every metric that both have, or those of some names.

    `together` names each image's group ("" for none). Of the accuracy of independent images the p is McNemar's, exact.

    Raises: `DataError` where the answers are not for the same images.
    """
    if first.truth.shape != second.truth.shape or (first.truth != second.truth).any():
        raise DataError("two models can be compared on the same images only; these have different labels")
    units = build_units(together, len(first.truth))
    evidence = weigh_evidence(first, units)
    metrics = [
        metric
        for name, metric in list_metrics(kind).items()
        if kind in metric.kinds and (names is None or name in names)
    ]
    if np.array_equal(first.scores, second.scores) and np.array_equal(first.predicted, second.predicted):
        figures = {metric.name: metric.measure(first) for metric in metrics}
        return {
            name: PairedDifference(value, value, 0.0, (0.0, 0.0), 1.0, is_same=True)
            for name, value in figures.items()
            if value is not None
        }
    found = {}
    for metric, differences in _resample(metrics, first, second, units, seed).items():
        values = [metric.measure(answers) for answers in (first, second)]
        if values[0] is not None and values[1] is not None and np.isfinite(differences).any():
            error = float(np.nanstd(differences))
            found[metric.name] = _build_difference(metric, values[0], values[1], error, evidence)
    if ACCURACY.name in found and not units.are_groups:
        accuracy = found[ACCURACY.name]
        reach = _reach_of_accuracy(first, second)
        middle = accuracy.difference * len(first.truth) / (len(first.truth) + 2)
        interval = (max(-1.0, middle - reach), min(1.0, middle + reach))
        found[ACCURACY.name] = replace(accuracy, interval=interval, p=measure_mcnemar(first, second).p)
    return _correct_for_many(found)


def measure_mcnemar(first: Answers, second: Answers) -> McNemar:
    """Test whether two models are right equally often on independent images (McNemar 1947, the exact form)."""
    from scipy.stats import binomtest

    only_first, only_second = int((first.right & ~second.right).sum()), int((~first.right & second.right).sum())
    either = only_first + only_second
    return McNemar(only_first, only_second, float(binomtest(only_first, either).pvalue) if either else 1.0)


def _resample(
    metrics: Sequence[Metric], first: Answers, second: Answers, units: Units, seed: int
) -> dict[Metric, Floats]:
    """Resample the difference of each metric, (R,); of many images and classes, linearised. None where one has none."""
    images = len(first.truth)
    resamples = count_resamples(images)
    is_large = is_linearised(images, first.classes, resamples)
    moved = {}
    if is_large:
        known = {metric: (metric.linearise(first), metric.linearise(second)) for metric in metrics}
        moved = {metric: two[1][1] - two[0][1] for metric, two in known.items() if two[0] and two[1]}
    drawn: dict[Metric, list[Floats]] = {metric: [] for metric in metrics}
    for weights in units.draw(np.random.default_rng(seed), resamples):
        for metric in metrics:
            if is_large:
                if metric in moved:
                    drawn[metric].append(weights @ moved[metric])
                continue
            values = [metric.resample(answers, weights) for answers in (first, second)]
            if values[0] is not None and values[1] is not None:
                drawn[metric].append(values[1] - values[0])
    return {metric: np.concatenate(each) for metric, each in drawn.items() if each}


def _build_difference(
    metric: Metric, first: float, second: float, error: float, evidence: Evidence
) -> PairedDifference:
    """Build the difference with Student's t.

    Models that decide alike on all images are as sure as one image more each way says. That holds of shares of images
    alone: of a figure of the probabilities that no resample changes, the difference is what it is.
    """
    from scipy.special import stdtr

    if error**2 < NOTHING:
        if not metric.judges_labels and (second - first) ** 2 < NOTHING:
            return PairedDifference(first, second, 0.0, (0.0, 0.0), 1.0)
        error = float(np.sqrt(2)) / (evidence.units.count + 2)
    difference, freedom = second - first, max(evidence.freedom, LEAST_FREEDOM)
    reach = evidence.quantile * error
    p = float(2 * stdtr(freedom, -abs(difference) / error))
    return PairedDifference(first, second, difference, (difference - reach, difference + reach), p)


def _reach_of_accuracy(first: Answers, second: Answers) -> float:
    """Half the width of the interval of paired shares, one image more each way (Bonett & Price 2012)."""
    images, tested = len(first.truth) + 2, measure_mcnemar(first, second)
    shares = (tested.only_first + 1) / images, (tested.only_second + 1) / images
    return NORMAL_QUANTILE * float(np.sqrt((sum(shares) - (shares[1] - shares[0]) ** 2) / images))


def _correct_for_many(found: dict[str, PairedDifference]) -> dict[str, PairedDifference]:
    """Call models different by the metrics that pass Holm's test: the more are looked at, the more chance has."""
    by_p = sorted(found, key=lambda name: found[name].p)
    passed: set[str] = set()
    for place, name in enumerate(by_p):
        if found[name].p * (len(by_p) - place) > SIGNIFICANT:
            break
        passed.add(name)
    return {name: replace(one, is_different=name in passed) for name, one in found.items()}
