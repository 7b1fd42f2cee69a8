"""A yes or no from probabilities: the threshold for a wished sensitivity, specificity or cost, and what it reaches.

The question is whether an image is of one of some classes, "referable" or "defective"; its score is the sum of their
probabilities. A threshold is chosen on images that the model did not learn from, and measured on others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sightx_cli.errors import DataError, quote
from sightx_cli.metrics.answers import Answers, Booleans, Floats
from sightx_cli.metrics.class_figures import PredictiveValues, measure_predictive_values
from sightx_cli.metrics.intervals import Interval, measure_share
from sightx_cli.metrics.units import build_units

STEPS = 1_000
"""The most thresholds that are tried for the least cost."""


@dataclass(frozen=True)
class Question:
    """Whether an image is of one of the `positives`: the probability that it is, and whether it is, (N,) each."""

    positives: tuple[str, ...]
    scores: Floats
    truth: Booleans


@dataclass(frozen=True)
class Threshold:
    """The probability from which an image counts as positive, and what it was chosen for and on."""

    value: float
    positives: tuple[str, ...]
    rule: str
    """sensitivity, specificity, or cost."""
    wished: float | None
    """The share wished for; None for a cost."""
    expected: float
    """The share to expect on new images like these; of a cost, the mean cost of an image here."""
    chosen_on: int
    """How many images it rests on: the positive ones for a sensitivity, the negative ones for a specificity."""
    needed: int = 0
    """How many of them a wish as high as this needs: with fewer, not even the most cautious threshold promises it."""
    costs: Mapping[str, float] | None = None
    """What a missed positive ("fn") and a false alarm ("fp") cost."""

    @property
    def is_certain(self) -> bool:
        """Whether there were images enough for what is wished."""
        return self.chosen_on >= self.needed

    def to_json(self) -> dict[str, object]:
        """The threshold by name."""
        return {**vars(self), "is_certain": self.is_certain}


@dataclass(frozen=True)
class DecisionFigures:
    """What a threshold reaches on images: shares with their 95 % intervals, counts, and the mean cost of an image."""

    threshold: float
    positives: tuple[str, ...]
    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int
    figures: Mapping[str, float | None]
    """sensitivity, specificity, ppv, npv and accuracy; None without images to measure one on."""
    intervals: Mapping[str, Interval | None]
    at_prevalences: tuple[PredictiveValues, ...] = ()
    cost: float | None = None

    def to_json(self) -> dict[str, object]:
        """The figures by name."""
        return {**vars(self), "at_prevalences": [one.to_json() for one in self.at_prevalences]}


def build_question(answers: Answers, classes: Sequence[str], positives: Sequence[str]) -> Question:
    """Ask of each image whether it is of one of the positive classes.

    Where an image may have several labels, it is positive if it has one of them, and its score the highest of theirs.

    Raises: `DataError` for a class that there is not, for none, and for all of them.
    """
    unknown = [name for name in positives if name not in classes]
    if unknown or not positives or len(set(positives)) == len(classes) > 1:
        found = f"no class is called {unknown[0]!r}" if unknown else f"{len(set(positives))} classes are positive"
        raise DataError(
            f"{found}; allowed are some, not all, of {', '.join(classes)}", f"--positive {quote(classes[-1])}"
        )
    places = [list(classes).index(name) for name in dict.fromkeys(positives)]
    if answers.truth.ndim > 1:
        scores, truth = answers.scores[:, places].max(axis=1), (answers.truth[:, places] == 1).any(axis=1)
    else:
        scores, truth = answers.scores[:, places].sum(axis=1), np.isin(answers.truth, places)
    return Question(tuple(dict.fromkeys(positives)), np.clip(scores, 0.0, 1.0), np.asarray(truth))


def choose_for_sensitivity(question: Question, wished: float) -> Threshold:
    """Choose the highest threshold that new positive images reach with the wished share, to expect.

    A new positive image scores below the k-th lowest of m others with probability k / (m + 1), whatever the scores are
    (split conformal prediction, Vovk 2005). So the threshold is the k-th lowest with k = ⌊(m + 1) (1 − wished)⌋: a
    little lower than the share of these images alone would allow, which new images would miss half of the time. With
    fewer than (wished / (1 − wished)) images it is the lowest of them.

    Raises: `DataError` for a wish that is not between 0 and 1, and without images of both kinds.
    """
    _check(question, wished, "sensitivity")
    scores = np.sort(question.scores[question.truth])
    place = _count_missed(len(scores), wished)
    value = _separate(question.scores, float(scores[max(place, 1) - 1]), is_above=False)
    return Threshold(
        value,
        question.positives,
        "sensitivity",
        wished,
        1 - max(place, 1) / (len(scores) + 1),
        len(scores),
        _count_needed(wished),
    )


def choose_for_specificity(question: Question, wished: float) -> Threshold:
    """Choose the lowest threshold that new negative images stay below with the wished share, to expect.

    As `choose_for_sensitivity`, from the highest scores of negative images.
    """
    _check(question, wished, "specificity")
    scores = np.sort(question.scores[~question.truth])[::-1]
    place = _count_missed(len(scores), wished)
    value = _separate(question.scores, float(scores[max(place, 1) - 1]), is_above=True)
    return Threshold(
        value,
        question.positives,
        "specificity",
        wished,
        1 - max(place, 1) / (len(scores) + 1),
        len(scores),
        _count_needed(wished),
    )


def choose_for_cost(question: Question, missed: float, false_alarm: float) -> Threshold:
    """Choose the threshold of least expected cost, a missed positive and a false alarm costing what is given.

    The least cost on some images is a lucky one. So of all thresholds whose cost is within a standard error of the
    least, that which is nearest to false_alarm / (missed + false_alarm) is taken: where it lies for probabilities that
    are right (Elkan 2001).

    Raises: `DataError` for costs that are not above 0, and without images of both kinds.
    """
    if not (missed > 0 and false_alarm > 0 and np.isfinite([missed, false_alarm]).all()):
        raise DataError(f"costs fn={missed:g}, fp={false_alarm:g}: allowed are numbers above 0", "--cost fn=10,fp=1")
    _check(question, 0.5, "cost")
    fair = false_alarm / (missed + false_alarm)
    candidates = np.unique(np.quantile(question.scores, np.linspace(0, 1, STEPS), method="nearest"))
    candidates = np.concatenate([[fair], (candidates[1:] + candidates[:-1]) / 2, [0.0, np.nextafter(1.0, 2.0)]])
    given = question.scores[None, :] >= candidates[:, None]
    each = np.where(question.truth, missed * ~given, false_alarm * given)
    means = each.mean(axis=1)
    best = int(means.argmin())
    error = (each - each[best]).std(axis=1) / np.sqrt(len(question.truth))
    good = np.flatnonzero(means <= means[best] + error)
    chosen = int(good[np.abs(candidates[good] - fair).argmin()])
    return Threshold(
        float(candidates[chosen]),
        question.positives,
        "cost",
        None,
        float(means[chosen]),
        len(question.truth),
        costs={"fn": missed, "fp": false_alarm},
    )


def measure_decision(
    question: Question,
    threshold: float,
    together: Sequence[str] = (),
    prevalences: Sequence[float] = (),
    costs: Mapping[str, float] | None = None,
) -> DecisionFigures:
    """Measure what a threshold reaches: an image whose score is at least that is positive.

    `together` names each image's group ("" for none), for the intervals. The predictive values are also given at each
    of the `prevalences`, where both kinds of images are there; the mean cost where `costs` of "fn" and "fp" are given.

    Raises: `DataError` for a prevalence that does not lie between 0 and 1.
    """
    truth, given = question.truth, question.scores >= threshold
    units = build_units(together, len(truth))
    figures: dict[str, float | None] = {}
    intervals: dict[str, Interval | None] = {}
    for name, right, among in (
        ("sensitivity", given, truth),
        ("specificity", ~given, ~truth),
        ("ppv", truth, given),
        ("npv", ~truth, ~given),
        ("accuracy", given == truth, np.ones_like(truth)),
    ):
        figures[name], intervals[name] = measure_share(np.asarray(right), np.asarray(among), units)
    found = DecisionFigures(
        float(threshold),
        question.positives,
        int((truth & given).sum()),
        int((~truth & given).sum()),
        int((truth & ~given).sum()),
        int((~truth & ~given).sum()),
        figures,
        intervals,
    )
    sides = [(figures[name], intervals[name]) for name in ("sensitivity", "specificity")]
    (found_share, found_interval), (spared_share, spared_interval) = sides
    if found_share is not None and found_interval and spared_share is not None and spared_interval:
        two = (found_share, found_interval), (spared_share, spared_interval)
        found = replace(found, at_prevalences=tuple(measure_predictive_values(*two, one) for one in prevalences))
    if costs is not None:
        total = costs["fn"] * found.false_negatives + costs["fp"] * found.false_positives
        found = replace(found, cost=total / len(truth))
    return found


def _check(question: Question, wished: float, what: str) -> None:
    if not 0 < wished < 1:
        hint = "--at-specificity 0.95" if what == "specificity" else "--at-sensitivity 0.95"
        raise DataError(f"{what} {wished}: allowed are numbers between 0 and 1", hint)
    if question.truth.all() or not question.truth.any():
        held = "positive" if question.truth.all() else "negative"
        raise DataError(
            f"all {len(question.truth):,} images are {held}: a threshold needs images of both kinds to be chosen on"
        )


def _count_missed(images: int, wished: float) -> int:
    """Count how many of these images may be missed if of new ones the wished share is to be found."""
    return int(np.floor((images + 1) * (1 - wished) + 1e-9))


def _count_needed(wished: float) -> int:
    """Count how many images it takes until one of them may be missed: 19 for 0.95."""
    return int(np.ceil(1 / (1 - wished) - 1e-9)) - 1


def _separate(scores: Floats, edge: float, is_above: bool) -> float:
    """Return a threshold half-way between a score and the next one, so that rounding moves no image across it.

    The image at the edge is positive, or, where the threshold `is_above` it, negative.
    """
    others = scores[scores > edge] if is_above else scores[scores < edge]
    if is_above:
        return float((edge + others.min()) / 2) if len(others) else float((edge + 1.0) / 2 if edge < 1 else 1.0 + 1e-6)
    return float((edge + others.max()) / 2) if len(others) else edge / 2
