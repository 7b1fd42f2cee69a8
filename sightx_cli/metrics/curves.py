"""Curves of a classifier's answers as points to draw: how well it ranks, and how far its probabilities hold.

Every curve has at most 200 points, so that a file of figures can hold them all. With more than `MOST_CLASSES` classes
those curves that exist per class are given for the `WORST` of them only, those with the least area under the ROC curve.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sightx_cli.metrics.answers import Answers, Booleans, Floats, SetAnswers
from sightx_cli.metrics.calibration_figures import assign_bins
from sightx_cli.metrics.intervals import NORMAL_QUANTILE, NOTHING, Interval, measure_score, measure_share
from sightx_cli.metrics.operating_points import Question
from sightx_cli.metrics.ranks import linearise_area, linearise_precision
from sightx_cli.metrics.units import Units, build_units

POINTS = 101
"""Points of a curve over rates: one for each hundredth."""
MOST_CLASSES, WORST = 10, 3
HISTOGRAM_BINS, DIGITS = 20, 6
BAND_WORK = 5_000_000
"""Images × resamples of a band, of which there are 100 to 1,000: a band is for the eye."""

ROC, PRECISION_RECALL = "roc", "precision_recall"

Points = tuple[float, ...]


@dataclass(frozen=True)
class RankingCurve:
    """A class's ROC or precision–recall curve with a pointwise 95 % band, and the area under it.

    ROC: `across` is the false-positive rate, `up` the sensitivity. Precision–recall: the sensitivity, the precision.
    """

    label: str
    kind: str
    across: Points
    up: Points
    low: Points
    high: Points
    area: float
    """The ROC AUC, or the average precision."""
    prevalence: float
    """The share of the images that are of the class: the precision of a ranking that knows nothing."""

    def to_json(self) -> dict[str, object]:
        """The curve by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class Bin:
    """Images of about the same predicted probability, and the share of them that it came true for."""

    images: int
    predicted: float
    observed: float
    interval: Interval

    def to_json(self) -> dict[str, object]:
        """The bin by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class Reliability:
    """Predicted against observed: of two classes the probability of class 1, of several that of the likeliest one."""

    of: str
    """The class, or "likeliest"."""
    bins: tuple[Bin, ...]

    def to_json(self) -> dict[str, object]:
        """The diagram by name."""
        return {"of": self.of, "bins": [one.to_json() for one in self.bins]}


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit of deciding by the model at each threshold, beside treating all images as positive, and none.

    Net benefit: true positives less false positives · threshold / (1 − threshold), per image (Vickers & Elkin 2006).
    """

    positives: tuple[str, ...]
    thresholds: Points
    model: Points
    everyone: Points
    nobody: Points

    def to_json(self) -> dict[str, object]:
        """The curve by name; the two others are called all and none there."""
        shown = {"positives": self.positives, "thresholds": self.thresholds, "model": self.model}
        return {**shown, "all": self.everyone, "none": self.nobody}


@dataclass(frozen=True)
class Histogram:
    """How the images of one true class are spread over the predicted probability of a class, in equal bins of 0…1."""

    true_label: str
    of: str
    """The class whose probability it is."""
    counts: tuple[int, ...]

    def to_json(self) -> dict[str, object]:
        """The histogram by name."""
        return dict(vars(self))


@dataclass(frozen=True)
class RiskCoverage:
    """The accuracy on the images that the model is surest of, over the share of images that they are."""

    coverage: Points
    accuracy: Points
    low: Points
    high: Points
    least_confidence: Points
    """The lowest confidence among the images kept."""

    def to_json(self) -> dict[str, object]:
        """The curve by name."""
        return dict(vars(self))


def list_sides(answers: Answers, classes: Sequence[str]) -> list[tuple[str, Floats, Booleans]]:
    """List the classes to draw: name, scores (N,) and which images are of it (N,). See the module for how many."""
    two = answers.classes == 2 and not isinstance(answers, SetAnswers)
    sides = []
    for place in [1] if two else range(answers.classes):
        has = answers.truth[:, place] == 1 if answers.truth.ndim > 1 else answers.truth == place
        if has.any() and not has.all():
            sides.append((str(classes[place]), answers.scores[:, place], np.asarray(has)))
    if len(sides) <= MOST_CLASSES:
        return sides
    return sorted(sides, key=lambda side: linearise_area(side[1], side[2])[0])[:WORST]


def measure_ranking_curves(
    answers: Answers, classes: Sequence[str], together: Sequence[str] = (), seed: int = 0
) -> tuple[RankingCurve, ...]:
    """Measure each class's ROC and precision–recall curve, with bands from resamples of images or of whole groups.

    The band at a point is Wilson's interval of as many images as would vary as the resamples do there, at most the
    units of the class: it has a width where no resample differs.
    """
    units, found = build_units(together, len(answers.truth)), []
    for label, scores, has in list_sides(answers, classes):
        for kind, trace, linearise in (
            (ROC, _trace_roc, linearise_area),
            (PRECISION_RECALL, _trace_precision, linearise_precision),
        ):
            grid = np.linspace(0, 1, POINTS)
            up = trace(np.ones((1, len(has))), scores, has, grid)[0]
            spread = _resample_spread(trace, scores, has, grid, units, seed)
            most = float((units.sum(has.astype(np.float64)) > 0).sum())
            bands = [_build_band(*point, most) for point in zip(up, spread, strict=True)]
            low, high = np.array(bands).T
            area, share = linearise(scores, has)[0], float(has.mean())
            found.append(RankingCurve(label, kind, _list(grid), _list(up), _list(low), _list(high), area, share))
    return tuple(found)


def measure_reliability(answers: Answers, classes: Sequence[str], together: Sequence[str] = ()) -> Reliability:
    """Measure how often what was predicted came true, in bins of equally many images (see `assign_bins`).

    Where an image may have several labels, each of its labels is a prediction of its own.
    """
    if isinstance(answers, SetAnswers):
        scores, came = answers.scores.ravel(), answers.truth.ravel() == 1
        names = [name or f"\0{place}" for place, name in enumerate(together or [""] * len(answers.truth))]
        units, of = build_units([name for name in names for _ in classes], len(scores)), "each label"
    else:
        two = answers.classes == 2
        scores = answers.scores[:, 1] if two else answers.scores.max(axis=1)
        came, of = (answers.truth == 1, str(classes[1])) if two else (answers.right, "likeliest")
        units = build_units(together, len(scores))
    number, bins = assign_bins(scores), []
    for one in range(int(number.max()) + 1):
        here = number == one
        share, interval = measure_share(np.asarray(came), here, units)
        if share is not None and interval is not None:
            bins.append(Bin(int(here.sum()), float(scores[here].mean()), share, interval))
    return Reliability(of, tuple(bins))


def measure_decision_curve(question: Question) -> DecisionCurve:
    """Measure net benefit at the thresholds 0.01 … 0.99."""
    thresholds = np.arange(1, 100) / 100
    harm = thresholds / (1 - thresholds)
    images, prevalence = len(question.truth), float(question.truth.mean())
    right, wrong = (np.sort(question.scores[side]) for side in (question.truth, ~question.truth))
    found, mistaken = (len(side) - np.searchsorted(side, thresholds) for side in (right, wrong))
    model = found / images - mistaken / images * harm
    everyone = prevalence - (1 - prevalence) * harm
    return DecisionCurve(question.positives, _list(thresholds), _list(model), _list(everyone), (0.0,) * len(thresholds))


def measure_histograms(answers: Answers, classes: Sequence[str]) -> tuple[Histogram, ...]:
    """Count predicted probabilities of each class drawn, for the images of it and for the others ("not …").

    Of two classes they are counted for the images of each.
    """
    edges, found = np.linspace(0, 1, HISTOGRAM_BINS + 1), []
    two = answers.classes == 2 and answers.truth.ndim == 1
    for label, scores, has in list_sides(answers, classes):
        for name, side in ((label, has), (str(classes[0]) if two else f"not {label}", ~has)):
            counts = np.histogram(np.clip(scores[side], 0, 1), edges)[0]
            found.append(Histogram(name, label, tuple(int(count) for count in counts)))
    return tuple(found)


def measure_risk_coverage(answers: Answers, together: Sequence[str] = ()) -> RiskCoverage | None:
    """Measure the accuracy of the surest images, of a hundredth of them to all; None of images with several labels.

    Confidence is the probability of the class that an image is given; images of the same confidence are kept together.
    """
    if isinstance(answers, SetAnswers):
        return None
    confidence = answers.scores[np.arange(len(answers.truth)), answers.predicted]
    units = build_units(together, len(answers.truth))
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, POINTS)[:-1], method="lower"))[::-1]
    rows = []
    for edge in edges:
        kept = confidence >= edge
        share, interval = measure_share(answers.right, kept, units)
        if share is not None and interval is not None:
            rows.append((float(kept.mean()), share, *interval, float(edge)))
    coverage, accuracy, low, high, least = zip(*rows, strict=True)
    return RiskCoverage(coverage, accuracy, low, high, least)


def _trace_roc(weights: Floats, scores: Floats, has: Booleans, grid: Floats) -> Floats:
    """Trace the sensitivity at false-positive rates (G,), of each resample, (R, G); between points a straight line."""
    found, mistaken = _count_down(weights, scores, has)
    rows = [np.interp(grid, *_end(right, wrong)) for right, wrong in zip(found, mistaken, strict=True)]
    return np.stack(rows)


def _end(found: Floats, mistaken: Floats) -> tuple[Floats, Floats]:
    """Return the false-positive rates and sensitivities from (0, 0) on; the highest sensitivity of each rate counts."""
    across = np.concatenate([[0.0], mistaken / max(mistaken[-1], 1e-300)])
    up = np.concatenate([[0.0], found / max(found[-1], 1e-300)])
    return across, up


def _trace_precision(weights: Floats, scores: Floats, has: Booleans, grid: Floats) -> Floats:
    """Trace the precision where each sensitivity (G,) is first reached, of each resample, (R, G)."""
    found, mistaken = _count_down(weights, scores, has)
    rows = []
    for right, wrong in zip(found, mistaken, strict=True):
        first = int(np.searchsorted(right, 1e-9))
        places = np.maximum(np.searchsorted(right, grid * right[-1] - 1e-9), min(first, len(right) - 1))
        shown = right[places] + wrong[places]
        rows.append(np.divide(right[places], shown, out=np.full(len(grid), np.nan), where=shown > 0))
    return np.stack(rows)


def _count_down(weights: Floats, scores: Floats, has: Booleans) -> tuple[Floats, Floats]:
    """Count the images of the class, and the others, from the highest score down to each, (R, scores) each."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(-scores[order], append=np.inf) > 0)
    in_order = weights[:, order]
    return np.cumsum(in_order * has[order], axis=1)[:, ends], np.cumsum(in_order * ~has[order], axis=1)[:, ends]


def _resample_spread(
    trace: Callable[[Floats, Floats, Booleans, Floats], Floats],
    scores: Floats,
    has: Booleans,
    grid: Floats,
    units: Units,
    seed: int,
) -> Floats:
    """Resample a curve and return its variance at each point, (G,)."""
    resamples, generator = int(np.clip(BAND_WORK // len(has), 100, 1_000)), np.random.default_rng(seed)
    drawn = [trace(weights, scores, has, grid) for weights in units.draw(generator, resamples)]
    return np.asarray(np.nanvar(np.concatenate(drawn), axis=0))


def _build_band(value: float, variance: float, most: float) -> Interval:
    spread = value * (1 - value)
    images = min(most, spread / variance) if variance > NOTHING and spread > NOTHING else most
    return measure_score(float(value), images, NORMAL_QUANTILE)


def _list(values: Floats) -> Points:
    return tuple(float(value) for value in np.round(values, DIGITS))
