"""The figures of a learning curve: its band, its last step, what doubling might bring, which class gains most.

The error of a figure has two sources. One is which images it is judged on: the variance over images, or groups of
them, as of every interval (`metrics.intervals`). All points are judged on the same images, so a difference between two
has a smaller error than either. The other is which images the heads learned from: the variance over the draws of a
share within each fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.metrics.answers import Answers, Floats
from sightx_cli.metrics.fold_intervals import FoldAverage
from sightx_cli.metrics.intervals import NOTHING, build_interval, weigh_evidence
from sightx_cli.metrics.metric import Metric
from sightx_cli.metrics.units import Units, build_units
from sightx_cli.probe.learning_curve import LearnedShare, average_share
from sightx_cli.probe.power_law import Outlook, foresee_fall
from sightx_cli.results.learning_curve import CurvePoint, Gain

WIDENING = 1.35
"""How much farther the band reaches than the variance over images says: the folds are judged on each other's training
images (Bates, Hastie & Tibshirani 2023, doi 10.1080/01621459.2023.2197686). Of eight kinds of planted sets the figures
varied 0.8 to 1.5 times as much, most with many features for few images (`benchmarks/learning_curves.py`); differences
of two points varied no more than it says."""


@dataclass(frozen=True)
class MeasuredCurve:
    """One figure over the shares, S of them, by rising number of images."""

    metric: Metric
    points: tuple[CurvePoint, ...]
    images: Floats
    means: Floats
    covariance: NDArray[np.float64]
    """Of the means, (S, S)."""
    quantile: float
    """How many standard errors a 95 % range reaches."""

    @property
    def sign(self) -> float:
        """1 where more is better, −1 where less is."""
        return -1.0 if self.metric.lower_is_better else 1.0

    @property
    def error(self) -> float:
        """How far the last point is from perfect."""
        return float(self.means[-1] if self.metric.lower_is_better else self.metric.limits[1] - self.means[-1])

    def is_above(self, value: float) -> bool:
        """Whether the last point is better than a value by more than its noise."""
        reach = WIDENING * self.quantile * float(np.sqrt(self.covariance[-1, -1]))
        return self.sign * (float(self.means[-1]) - value) > reach

    def measure_gain(self, first: int, last: int) -> Gain:
        """Measure by how much the figure improves from one point to another."""
        gain = self.sign * float(self.means[last] - self.means[first])
        variance = self.covariance[first, first] + self.covariance[last, last] - 2 * self.covariance[first, last]
        reach = self.quantile * float(np.sqrt(max(variance, 0.0)))
        ends = self.points[first].images, self.points[last].images
        return Gain(*ends, gain, gain - reach, gain + reach)

    def foresee_gain(self, start: float, end: float) -> Outlook:
        """Foresee by how much it improves from one number of images to another (see `probe.power_law`)."""
        errors = self.means if self.metric.lower_is_better else self.metric.limits[1] - self.means
        return foresee_fall(self.images, errors, self.covariance, start, end)

    def foresee_point(self, images: int) -> CurvePoint:
        """Foresee the figure at a number of images beyond the last point: its range is the last point's, and wider."""
        outlook, last = self.foresee_gain(self.images[-1], images), self.points[-1]
        ends = (outlook.low, outlook.high) if self.sign > 0 else (-outlook.high, -outlook.low)
        mean = last.mean + self.sign * outlook.mean
        low = mean - float(np.hypot(last.mean - last.low, self.sign * outlook.mean - ends[0]))
        high = mean + float(np.hypot(last.high - last.mean, ends[1] - self.sign * outlook.mean))
        low, high = max(low, self.metric.limits[0]), min(high, self.metric.limits[1])
        return CurvePoint(images, images / float(self.images[-1]) * last.share, mean, low, high)


def measure_curve(
    metric: Metric, shares: Sequence[LearnedShare], fold_of: NDArray[np.int64], together: Sequence[str]
) -> MeasuredCurve | None:
    """Measure a figure over the shares, with its band; None where one has no such figure."""
    averages = [average_share(metric, share, fold_of) for share in shares]
    known = [average for average in averages if average is not None]
    if len(known) < len(averages):
        return None
    units = build_units(together, len(fold_of))
    evidence = weigh_evidence(shares[-1].answers[0], units)
    contributions = np.stack([np.mean([draw.contributions for draw in draws], axis=0) for draws in known])
    sums = np.stack([units.sum(each * evidence.scale) for each in contributions])
    drawn = np.array([_measure_draw_variance(draws) for draws in known])
    judged = sums @ sums.T
    means = np.array([np.mean([draw.mean for draw in draws]) for draws in known])
    points = []
    for share, mean, each, own, extra in zip(shares, means, contributions, np.diag(judged), drawn, strict=True):
        interval = build_interval(metric, float(mean), each, share.answers[0], evidence) or (float(mean),) * 2
        widening = float(np.sqrt(WIDENING**2 + extra / own)) if own > NOTHING else 1.0
        low, high = (float(mean + widening * (end - mean)) for end in interval)
        low, high = max(low, metric.limits[0]), min(high, metric.limits[1])
        points.append(CurvePoint(round(share.images), share.share, float(mean), low, high))
    images = np.array([share.images for share in shares])
    covariance = judged + np.diag(drawn + _measure_half_image(metric, shares[-1].answers[0], units) ** 2)
    return MeasuredCurve(metric, tuple(points), images, means, covariance, evidence.quantile)


def _measure_half_image(metric: Metric, answers: Answers, units: Units) -> float:
    """Measure what half an image (or group) of the rarest class changes: no decisions are known better.

    Else points that by chance decide alike would not differ at all (see `metrics.confusion_figures`).
    """
    if not metric.judges_labels:
        return 0.0
    return 0.5 / units.count if metric.is_share else 0.5 / (answers.classes * answers.count_rarest(units.numbers))


def _measure_draw_variance(draws: Sequence[FoldAverage]) -> float:
    """Measure the variance of the mean over folds and draws that comes from which images were drawn."""
    if len(draws) < 2:
        return 0.0
    by_fold = np.stack([draw.by_fold for draw in draws])
    variances = by_fold[:, np.isfinite(by_fold).all(axis=0)].var(axis=0, ddof=1)
    return float(variances.mean() / len(draws) / len(variances)) if len(variances) else 0.0
