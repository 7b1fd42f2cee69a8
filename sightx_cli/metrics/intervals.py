"""How sure a figure is: 95 % intervals that hold for few images, for groups of them, and where nothing is wrong.

Percentiles of resamples do none of that: they collapse where every resample agrees ([1, 1] for a model without a
mistake), and held the truth in 88 to 92 of 100 evaluations of 30 to 100 images. What is used in their place:

- The variance of a figure is that which resamples of whole units would give, in closed form: the sum of what each image
  contributes to it, over each unit, squared (the infinitesimal jackknife, Efron 1982; DeLong 1988 and Obuchowski 1997
  for the ROC AUC; the "sandwich" for slopes). Contributions of a class with n units count √(n / (n − 1)) each.
- It is never less than what a smooth model of the answers expects (`Metric.expect`).
- Of what a confusion matrix decides it holds that of a matrix smoothed by half an image too (`confusion_figures`).
- A figure with two ends has Wilson's score interval (Wilson 1927) of the number of images that would have this
  variance as a share (effective sample size: Kish 1965, Rao & Scott 1992); it cannot reach both ends.
- One that is 0 or more has an interval of its logarithm; one without ends, a plain one.
- With groups, Student's t takes the place of the normal distribution, its degrees of freedom by Welch and Satterthwaite
  from the units of each class: ten patients are few, however many images they have.

`benchmarks/coverage.py` measures how often they hold what is true, and `benchmarks/README.md` has its table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sightx_cli.metrics.answers import Answers, Booleans, Floats, check_answers
from sightx_cli.metrics.metric import POSITIVE, REAL, Metric
from sightx_cli.metrics.registry import list_metrics
from sightx_cli.metrics.units import Units, build_units

Interval = tuple[float, float]

LEVEL = 0.95
NORMAL_QUANTILE = 1.959964
"""97.5 % of a normal distribution lie below it."""
LEAST_FREEDOM = 2.0
"""Fewer degrees of freedom say nothing: with one unit in a class, its spread is unknown."""
NOTHING = 1e-18
"""A variance below this is that of rounding."""


@dataclass(frozen=True)
class Evidence:
    """What intervals of answers rest on: their units, and how many of these each class has."""

    units: Units
    by_class: Floats
    """Units of each class that occurs."""
    scale: Floats
    """What the contribution of each image (N,) is multiplied by: √(n / (n − 1)), n being its class's units."""

    @property
    def freedom(self) -> float:
        """Degrees of freedom, by Welch and Satterthwaite, of classes whose images vary alike."""
        shares = 1 / self.by_class
        return float(shares.sum() ** 2 / (shares**2 / np.maximum(self.by_class - 1, 0.5)).sum())

    @property
    def quantile(self) -> float:
        """How many standard errors an interval reaches: by the normal distribution, and by Student's t for groups."""
        from scipy.special import stdtrit

        if not self.units.are_groups:
            return NORMAL_QUANTILE
        return float(stdtrit(max(self.freedom, LEAST_FREEDOM), (1 + LEVEL) / 2))


def measure_intervals(
    probabilities: object, targets: object, classes: Sequence[str], kind: str, together: Sequence[str] = ()
) -> dict[str, Interval | None]:
    """Measure the 95 % interval of every figure of `measure_figures`; None where the figure is None.

    `together` names each image's group ("" for none): images of one patient are not independent evidence.

    Arguments and errors as in `measure_figures`.
    """
    return measure_answer_intervals(check_answers(probabilities, targets, classes), kind, together)


def measure_answer_intervals(answers: Answers, kind: str, together: Sequence[str] = ()) -> dict[str, Interval | None]:
    """Measure the intervals of answers that are checked (see the module)."""
    evidence = weigh_evidence(answers, build_units(together, len(answers.truth)))
    intervals: dict[str, Interval | None] = {}
    for name, metric in list_metrics(kind).items():
        known = metric.linearise(answers) if kind in metric.kinds else None
        intervals[name] = None if known is None else build_interval(metric, *known, answers, evidence)
    return intervals


def weigh_evidence(answers: Answers, units: Units) -> Evidence:
    """Count the units of each class; where an image may have several labels, the units of all images."""
    if answers.truth.ndim > 1:
        return Evidence(units, np.array([float(units.count)]), _correct(np.full(len(answers.truth), units.count)))
    pairs = np.unique(np.stack([answers.truth, units.numbers]), axis=1)
    counts = np.bincount(pairs[0], minlength=answers.classes).astype(np.float64)
    return Evidence(units, counts[counts > 0], _correct(counts[answers.truth]))


def _correct(units: Floats) -> Floats:
    return np.asarray(np.sqrt(np.where(units > 1, units / np.maximum(units - 1, 1), 1.0)))


def build_interval(
    metric: Metric, value: float, contributions: Floats, answers: Answers, evidence: Evidence
) -> Interval | None:
    """Build the interval of a figure from what each image contributes to it, (N,); None where nothing is known."""
    variance, cost = measure_variance(contributions * evidence.scale, evidence.units)
    if metric.is_share:
        return measure_score(value, len(answers.truth) / cost, evidence.quantile)
    if metric.measure_chance is not None:
        chance, least = metric.measure_chance(answers)
        reach = evidence.quantile * float(np.sqrt(max(variance, least * cost)))
        return max(0.0, value - chance * float(np.sqrt(cost)) - reach), min(value + reach, metric.highest)
    expected = metric.expect(answers, value) if metric.expect is not None else None
    if metric.limits in (POSITIVE, REAL):
        error = float(np.sqrt(max(variance, expected[1] * cost if expected else 0.0)))
        return _reach(metric, value, error * evidence.quantile) if error**2 > NOTHING else None
    low, high = metric.limits
    width = high - low
    images = _count_equivalent((value - low) / width, variance / width**2)
    if expected is not None:
        images = min(images, _count_equivalent((expected[0] - low) / width, expected[1] * cost / width**2))
    elif np.isinf(images) and min(value - low, high - value) < 1e-9:
        images = float(answers.count_rarest(evidence.units.numbers))
    if not np.isfinite(images):
        return None
    middles = [value, expected[0]] if expected is not None and metric.is_smoothed else [value]
    found = [measure_score((middle - low) / width, images, evidence.quantile) for middle in middles]
    return low + width * min(ends[0] for ends in found), low + width * max(ends[1] for ends in found)


def measure_variance(contributions: Floats, units: Units) -> tuple[float, float]:
    """Measure the variance of a figure from contributions (N,), and how many times grouping makes it larger.

    The latter, the design effect, lies between 1 and the images of a unit, which it is where images show no variance.
    """
    variance = float((units.sum(contributions) ** 2).sum())
    if not units.are_groups:
        return variance, 1.0
    alone = float((contributions**2).sum())
    if alone < NOTHING:
        return variance, units.heaviest
    cost = float(np.clip(variance / alone, 1.0, units.heaviest))
    return max(variance, alone), cost


def measure_share(right: Booleans, among: Booleans, units: Units) -> tuple[float | None, Interval | None]:
    """Measure the share of images that are right among some, (N,) each, and its interval; None among none."""
    total = int(among.sum())
    if not total:
        return None, None
    hits = int((right & among).sum())
    if not units.are_groups:
        return hits / total, measure_wilson(hits, total)
    sizes = units.sum(among.astype(np.float64))
    holding = float((sizes > 0).sum())
    spread = (units.sum((right & among).astype(np.float64)) - hits / total * sizes) / total
    variance = float((spread**2).sum()) * holding / max(holding - 1, 1)
    alone, heaviest = hits * (total - hits) / total**3, float((sizes**2).sum() / total)
    cost = float(np.clip(variance / alone, 1.0, heaviest)) if alone > 0 else heaviest
    evidence = Evidence(units, np.array([holding]), np.empty(0))
    return hits / total, measure_score(hits / total, total / cost, evidence.quantile)


def measure_wilson(right: int, total: int) -> Interval:
    """Wilson's 95 % interval of a share `right` / `total`, `total` at least 1."""
    return measure_score(right / total, total, NORMAL_QUANTILE)


def measure_score(share: float, images: float, quantile: float) -> Interval:
    """Wilson's score interval of a share of so many images, which need not be whole (Wilson 1927)."""
    extra = quantile**2 / images
    middle = (share + extra / 2) / (1 + extra)
    reach = quantile / (1 + extra) * float(np.sqrt(max(share * (1 - share), 0.0) / images + extra / (4 * images)))
    low, high = max(0.0, middle - reach), min(1.0, middle + reach)
    return (0.0 if share <= 0 else min(low, share)), (1.0 if share >= 1 else max(high, share))


def _count_equivalent(share: float, variance: float) -> float:
    """Count the images of which a share would have this variance; infinite where there is none."""
    spread = share * (1 - share)
    return spread / variance if variance > NOTHING and spread > NOTHING else float("inf")


def _reach(metric: Metric, value: float, reach: float) -> Interval | None:
    if metric.limits == REAL:
        return value - reach, value + reach
    if value <= 0:
        return None
    factor = float(np.exp(min(reach / value, 50.0)))
    return value / factor, min(value * factor, metric.highest)
