"""How good a linear head is with fewer images than there are: cross-validated figures over shares of them.

In each fold, heads learn from nested random parts of the images outside it, whole groups of them and each class in its
share, and are judged on the fold. A part of the images is one of many, so small shares are drawn several times. Each
figure is the mean over folds and draws.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.metrics.answers import Answers, Floats
from sightx_cli.metrics.fold_intervals import FoldAverage, average_folds
from sightx_cli.metrics.metric import Metric
from sightx_cli.probe.linear_head import STRENGTHS, calm_threads, measure_scale, rotate
from sightx_cli.probe.trials import predict_held_out
from sightx_cli.task.stratification import number_strata, number_together
from sightx_cli.task.task import Task

SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
DRAWS = (4, 3, 2, 2, 1)
"""How many parts of each share are drawn: what a head learns from a small one depends on which."""

CURVE_IMAGES = 5_000
"""At most this many images of the train part are used: heads on more take minutes."""

FEWEST_LEARNED, FEWEST_UNITS = 10, 2
"""The smallest share must leave a head so many images, in so many groups, and one image of each class."""


@dataclass(frozen=True)
class LearnedShare:
    """What the heads of one share answer, each image by heads that saw neither it nor its group."""

    share: float
    images: float
    """How many a head learned from, the mean over folds and draws."""
    answers: tuple[Answers, ...]
    """Of all images, one for each draw."""


def order_nested(task: Task, targets: NDArray[np.int64], together: Sequence[str], seed: int) -> NDArray[np.int64]:
    """Order images (N,) so that any first part of them is a random one with each class in its share, groups whole.

    Each class's units (groups, or images on their own) are shuffled and spread evenly over the order; a group counts as
    the rarest of its classes. First stands one unit of each class, or with and without each label.
    """
    units, strata = number_together(together), number_strata(task.find_strata(targets))
    generator = np.random.default_rng(seed)
    rarity = np.bincount(strata)[strata]
    first = np.lexsort((rarity, units))
    named, starts = np.unique(units[first], return_index=True)
    stratum_of, sizes = strata[first][starts], np.bincount(units)[named]
    places = np.empty(len(named))
    for stratum in np.unique(stratum_of):
        own = generator.permutation(np.flatnonzero(stratum_of == stratum))
        ends = np.cumsum(sizes[own])
        places[own] = (ends - sizes[own] * generator.random(len(own))) / ends[-1]
    order = np.argsort(places, kind="stable")
    rank = np.empty(len(named), np.int64)
    rank[order] = np.arange(len(named))
    claims = task.mark_claims(targets)
    leaders = {int(rank[units[claims[:, column]]].min()) for column in np.flatnonzero(claims.any(axis=0))}
    front = np.zeros(len(named), bool)
    front[order[sorted(leaders)]] = True
    rank = np.lexsort((rank, ~front)).argsort()
    return np.argsort(rank[units], kind="stable")


def take_share(order: NDArray[np.int64], together: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Take the first share of images in an order, whole units (N,) of them: as near to it as these allow."""
    if share >= 1:
        return order
    ordered = together[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)) + 1, len(order))
    return order[: ends[np.abs(ends - share * len(order)).argmin()]]


def learn_shares(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    together: Sequence[str],
    task: Task,
    balanced: bool,
    seed: int = 0,
    advance: Callable[[], None] = lambda: None,
) -> list[LearnedShare]:
    """Solve heads on shares of the images outside each fold: features (N, F), targets and folds (N,).

    `advance` is called once for each share and draw.
    """
    learned: list[list[list[NDArray[np.int64]]]] = [[[] for _ in range(draws)] for draws in DRAWS]
    units = number_together(together)
    folds = np.unique(fold_of)
    for fold in folds:
        others = np.flatnonzero(fold_of != fold)
        names = [together[place] for place in others.tolist()]
        for draw in range(max(DRAWS)):
            order = others[order_nested(task, targets[others], names, seed + 1_000 * draw)]
            for place, share in enumerate(SHARES):
                if draw < DRAWS[place]:
                    learned[place][draw].append(take_share(order, units, share))
    mean, deviation = measure_scale(features)
    turned = rotate((features - mean) / deviation)
    held_out = [np.flatnonzero(fold_of == fold) for fold in folds]
    found = []
    with calm_threads(len(targets)):
        for share, draws in zip(SHARES, learned, strict=True):
            answers: list[Answers] = []
            strengths: Sequence[float] = STRENGTHS
            for parts in draws:
                probabilities, best = _predict_folds(turned, targets, parts, held_out, task, balanced, strengths)
                strengths = (best,)  # how strong the penalty must be depends on how many images, hardly on which
                answers.append(task.answer_folds(probabilities, targets, fold_of))
                advance()
            images = float(np.mean([len(part) for parts in draws for part in parts]))
            found.append(LearnedShare(share, images, tuple(answers)))
    return found


def _predict_folds(
    turned: NDArray[np.float32],
    targets: NDArray[np.int64],
    learned: Sequence[NDArray[np.int64]],
    held_out: Sequence[NDArray[np.int64]],
    task: Task,
    balanced: bool,
    strengths: Sequence[float],
) -> tuple[NDArray[np.float32], float]:
    """Predict each fold by a head that learned from some images outside it, by the penalty with the least log loss.

    Returns the probabilities (N, C) of all images, and the inverse strength of that penalty.
    Very unequal classes are shifted as in a solved head (see `probe.trials.shift_folds`), by the predictions of the
    images that a head learned from, each by a head that had not seen it: as many as it would have without the others.
    """
    best, chosen = predict_held_out(turned, targets, learned, held_out, task, balanced, strengths)
    if not (balanced and task.is_unequal(targets)):
        return best, chosen
    shifted = best.copy()
    for part, out in zip(learned, held_out, strict=True):
        shifted[out] = task.shift(best[out], task.fit_offsets(best[part], targets[part]))
    return shifted, chosen


def average_share(metric: Metric, share: LearnedShare, fold_of: NDArray[np.int64]) -> list[FoldAverage] | None:
    """Average a figure over the folds for each draw of a share; None where a draw has no such figure."""
    folds = [fold_of == fold for fold in np.unique(fold_of)]
    found = []
    for answers in share.answers:
        average = average_folds(metric, [(here, answers.take(here)) for here in folds], len(fold_of))
        if average is None:
            return None
        found.append(average)
    return found


def measure_blind(metric: Metric, task: Task, targets: NDArray[np.int64]) -> float | None:
    """Measure a figure of answers that know how frequent each class is, and nothing of the images."""
    shares = task.mark_claims(targets)[:, : len(task.classes)].mean(axis=0)
    return metric.measure(task.check_answers(np.tile(shares, (len(targets), 1)), targets))


def measure_found(task: Task, share: LearnedShare, targets: NDArray[np.int64]) -> Floats:
    """Measure in which share of the draws each image is given each class that it has, (N, C); NaN of one it has not."""
    classes = len(task.classes)
    has = task.mark_claims(targets)[:, :classes]
    given = np.mean([task.mark_claims(answers.predicted)[:, :classes] for answers in share.answers], axis=0)
    return np.asarray(np.where(has, given, np.nan), np.float64)
