"""Successive halving: many values of a setting tried on few images, the better half of them on all.

Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and hyperparameter optimization". What a value
brings on a small sample only decides who is tried further; the choice is made on the largest sample, as everywhere (see
`probe.trials`). Seconds are charged as assumed, or as measured where that is more: so a machine that is at least as
fast as assumed makes the same trials as any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.probe.trials import choose_simplest, compare_losses
from sightx_cli.results.probe import Trial

SMALL_SAMPLE = 200
"""Images of the first round: it takes a fifth of a whole one's seconds."""

FEWEST_FOR_ROUND = 1.5
"""A round on all images is preceded by a small one only if it has at least this many times its images."""

FEWEST_TO_HALVE = 4
"""Of fewer values the small round would cost as much as it saves: half of three, and the recipe's own, are all."""


@dataclass(frozen=True)
class Attempt:
    """One value measured on a sample: its figures, each image's log loss (N,), and each image's group ("" for none)."""

    trial: Trial
    losses: NDArray[np.float64]
    together: Sequence[str]


@dataclass(frozen=True)
class Round:
    """What was measured on one sample, simplest value first, and the values that went on from there."""

    images: int
    trials: tuple[Trial, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True)
class Tournament:
    """Who was measured on how many images, and who won."""

    own: str
    rounds: tuple[Round, ...]
    untried: tuple[str, ...]
    """What was not tried, or no further, for want of time: a line each."""
    spent_seconds: float

    @property
    def decisive(self) -> tuple[Trial, ...]:
        """The trials that the choice was made by, simplest first, the winner marked; none where nothing compares."""
        return next((one.trials for one in reversed(self.rounds) if any(trial.chosen for trial in one.trials)), ())

    @property
    def winner(self) -> str:
        """The value chosen; the recipe's own where nothing compares."""
        return next((trial.value for trial in self.decisive if trial.chosen), self.own)


Measure = Callable[[str, int], Attempt | None]
"""Measures a value on so many images; None where these images give no figure of it."""

Estimate = Callable[[str, int, int], float]
"""Gives the seconds assumed of a value on so many images, after it was measured on so many of them (0: not yet)."""


def plan_rounds(images: int) -> tuple[int, ...]:
    """Return the sizes of the samples: SMALL_SAMPLE first, unless all images are little more."""
    return (SMALL_SAMPLE, images) if images >= FEWEST_FOR_ROUND * SMALL_SAMPLE else (images,)


def halve(
    values: Sequence[str],
    own: str,
    rounds: Sequence[int],
    measure: Measure,
    estimate: Estimate,
    budget_seconds: float,
) -> Tournament:
    """Try the values, simplest first and `own`, the recipe's, among them, on samples of `rounds` images, small first.

    Before each further round the better half by log loss goes on, which moves where a figure of few images does not;
    `own` always does. Fewer than FEWEST_TO_HALVE values start on the largest sample. Each round has an equal share of
    the budget, and what the earlier ones left: what would take longer is not tried, but `own` always is. The winner is
    the simplest no worse than the best, on the largest sample that compares any; `own` where none does.
    """
    course = Course(measure, estimate, own)
    standing = list(values)
    sizes = rounds if len(standing) >= FEWEST_TO_HALVE else rounds[-1:]
    for place, images in enumerate(sizes):
        course.allowed_seconds = budget_seconds * (place + 1) / len(sizes)
        found = course.run(standing, values, images)
        is_last = place == len(sizes) - 1
        standing = [] if is_last else keep_better_half(found, own)
        kept = tuple(value for value in values if value in standing)
        trials = [one.trial for one in found]
        if len(found) > 1 and any(trial.value == own for trial in trials):
            groups = found[0].together
            trials = choose_simplest(compare_losses(trials, [one.losses for one in found], groups), own)
        course.rounds.append(Round(images, tuple(trials), kept))
        if not is_last and len(standing) < 2:
            break
    return Tournament(own, tuple(course.rounds), tuple(course.untried), course.spent_seconds)


def keep_better_half(found: Sequence[Attempt], own: str) -> list[str]:
    """Return the better half of what was measured, the lowest log loss first, and `own`."""
    ranked = sorted(found, key=lambda one: float(one.losses.mean()))
    kept = [one.trial.value for one in ranked[: (len(ranked) + 1) // 2]]
    return kept if own in kept or not found else [*kept, own]


class Course:
    """The trials of one tournament, in their order, and what they cost."""

    def __init__(self, measure: Measure, estimate: Estimate, own: str) -> None:
        self.measure, self.estimate, self.own = measure, estimate, own
        self.allowed_seconds, self.spent_seconds = 0.0, 0.0
        self.rounds: list[Round] = []
        self.untried: list[str] = []
        self.seen: dict[str, int] = {}

    def run(self, standing: Sequence[str], values: Sequence[str], images: int) -> list[Attempt]:
        """Measure what stands, the recipe's own and then the better first, while the budget lasts; simplest first."""
        found = []
        for value in sorted(standing, key=lambda one: one != self.own):
            assumed = self.estimate(value, images, self.seen.get(value, 0))
            left = max(0.0, self.allowed_seconds - self.spent_seconds)
            if value != self.own and assumed > left:
                further = f" on {images:,} images" if value in self.seen else ""
                self.untried.append(f"{value}{further}: would take {assumed:.0f} s, {left:.0f} s are left")
                continue
            attempt = self.measure(value, images)
            self.spent_seconds += max(assumed, attempt.trial.seconds if attempt is not None else 0.0)
            self.seen[value] = images
            if attempt is not None:
                found.append(attempt)
        return sorted(found, key=lambda one: values.index(one.trial.value))
