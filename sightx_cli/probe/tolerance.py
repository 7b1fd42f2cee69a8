"""What each change of an augmentation profile costs: whether the labels bear it.

A hand that is mirrored is another hand, a turned 6 is a 9, and a photograph of bees is one of bees all the same. Two
questions are asked, in cross-validation on the training images. What does a head that has learned from plain views
answer when it is shown changed ones? And does a head that learned from both answer worse on the plain ones? The first
alone does not tell: a network sees a rotated picture with black corners as something new, yet learns from it without
harm. Where labels contradict the change, learning from it costs the plain images.

Measured on `tf_efficientnet_lite0` with 30 to 300 images, three draws each. Left and right parts, mirrored: 0.2 to 0.6
of the accuracy, 0.4 to 1.1 of the log loss; hands and arrows 0.04 to 0.26, 0.08 to 0.44; digits upside down 0.03 to
0.08, 0.07 to 0.2. Mirrored bees, retinas, chests, solar cells and CIFAR's classes: no accuracy beyond chance, at most
0.01 of the log loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.probe.linear_head import STRENGTHS, calm_threads, measure_scale, rotate
from sightx_cli.task.regression import Regression
from sightx_cli.task.stratification import number_together
from sightx_cli.task.task import Task

NOISE = 2.5
"""A rise of the log loss within so many standard errors may be chance."""
NOISE_OF_ACCURACY = 2.0
"""The same of a loss of accuracy, which is coarser and is asked for beside the log loss."""

LEAST_LOST = 0.05
"""Changed images lose at least this much accuracy where a change is to be off: else the labels bear it."""
LEAST_COST = 0.03
LEAST_RISE = 0.08
"""Learning from changed images costs at least this much accuracy, or log loss in nats, on plain ones. What costs less,
augmentation pays back."""


@dataclass(frozen=True)
class Difference:
    """A mean difference over images, and its standard error."""

    mean: float
    error: float

    def exceeds(self, least: float, errors: float) -> bool:
        """Whether it is at least so large, and so many times its error."""
        return self.mean >= least and self.mean >= errors * self.error


@dataclass(frozen=True)
class Tolerance:
    """What one change does, by its name: all three differences are worse where they are above 0."""

    change: str
    images: int
    accuracy: float
    """Of plain images, by heads that learned from plain ones."""
    lost: Difference
    """Accuracy that changed images lose, asked of the same heads."""
    cost: Difference
    """Accuracy that plain images lose where heads learn from changed ones too."""
    rise: Difference
    """The log loss that they gain."""

    @property
    def is_borne(self) -> bool:
        """Whether the labels bear the change."""
        costs = self.cost.exceeds(LEAST_COST, NOISE_OF_ACCURACY) or self.rise.mean >= LEAST_RISE
        return not (costs and self.rise.exceeds(0.0, NOISE) and self.lost.exceeds(LEAST_LOST, NOISE_OF_ACCURACY))

    @property
    def is_clear(self) -> bool:
        """Whether more images would hardly change the verdict: harmless, and nowhere near harm."""
        return self.is_borne and self.rise.mean + NOISE * self.rise.error < LEAST_RISE


def load_tolerance(kept: Mapping[str, Any]) -> Tolerance:
    """Build a tolerance again from `dataclasses.asdict`."""
    parts = {name: Difference(**kept[name]) for name in ("lost", "cost", "rise")}
    return Tolerance(**{**kept, **parts})


def measure_tolerances(
    plain: NDArray[np.float32],
    changed: Mapping[str, NDArray[np.float32]],
    targets: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    task: Task,
    balanced: bool,
    together: Sequence[str],
) -> list[Tolerance]:
    """Measure each change from the features of plain and changed views, (N, F) each, targets and folds of the images.

    `together` names images of one group, "" for none: they are one piece of evidence.
    """
    task, units = task.plain(), number_together(together)
    mean, deviation = measure_scale(plain)
    rows = rotate(np.concatenate([(view - mean) / deviation for view in (plain, *changed.values())]))
    views = dict(zip(("", *changed), np.split(rows, 1 + len(changed)), strict=True))
    folds = [(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in np.unique(fold_of)]

    def answer(heads: Sequence[Regression], view: NDArray[np.float32]) -> NDArray[np.float32]:
        found = np.zeros((len(targets), task.outputs), np.float32)
        for head, (_, asked) in zip(heads, folds, strict=True):
            found[asked] = head.predict(view[asked])
        return found

    def solve(strength: float, learned: Sequence[NDArray[np.float32]]) -> list[Regression]:
        heads = []
        for fit, _ in folds:
            shown = np.concatenate([view[fit] for view in learned])
            head = task.build_regression(strength / len(learned), balanced, 1e-2)
            heads.append(head.fit(shown, np.concatenate([targets[fit]] * len(learned))))
        return heads

    def judge(found: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        right = (task.decide(found) == targets).reshape(len(targets), -1).mean(axis=1)
        return right, task.measure_losses(found.astype(np.float64), targets)

    with calm_threads(len(rows)):
        best = None
        for strength in STRENGTHS:
            heads = solve(strength, [views[""]])
            right, losses = judge(answer(heads, views[""]))
            if best is not None and losses.mean() > best[0]:
                break  # the loss over the penalty has a single minimum: what follows is worse
            best = losses.mean(), strength, heads, right, losses
        assert best is not None
        _, strength, heads, right, losses = best
        found = []
        for change in changed:
            asked, _ = judge(answer(heads, views[change]))
            taught, taught_losses = judge(answer(solve(strength, [views[""], views[change]]), views[""]))
            found.append(
                Tolerance(
                    change,
                    len(targets),
                    float(right.mean()),
                    compare(right - asked, units, 0.5),
                    compare(right - taught, units, 0.5),
                    compare(taught_losses - losses, units),
                )
            )
    return found


def compare(differences: NDArray[np.float64], units: NDArray[np.int64], grain: float = 0.0) -> Difference:
    """Return the mean of differences (N,) and its standard error, that of sums over units.

    `grain` is half of what an image can differ by: where none does, one might have.
    """
    count, mean = len(differences), float(differences.mean())
    sums = np.bincount(units, differences - mean)
    return Difference(mean, float(np.sqrt((sums**2).sum() / count**2 + grain**2 / count**2)))
