"""Conformal sets: all that can be said of an image at a chosen level, by class (Mondrian split conformal prediction).

Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World", 4.5: a class is in an image's set where its
probability is not below that of all but a share 1 − level of the images of that class which were not learned from; so
the set holds the true class as often as the level says, in every class. An image is unsure where its set holds anything
but what is decided; an empty set counts as the decision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = (0.8, 0.9, 0.95, 0.99)
"""The levels that floors are kept for."""
USUAL_LEVELS = (0.9, 0.95, 0.99)
"""The first of them above the share of right answers is used: at a lower level nothing but the decision is in a set."""


@dataclass(frozen=True)
class Floors:
    """The probability from which each of K claims is in the set at one level, and which were measured together."""

    floors: tuple[float, ...]
    pooled: tuple[int, ...]
    """The claims of too few images for this level: theirs is the floor of all claims together."""


def choose_level(decided: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float | None:
    """Choose the level by what was decided and what is true of images not learned from, (N, K) each.

    Where these are too few for the level wanted it is the highest that they allow; None where they allow none.
    """
    count = int(truth.sum())
    allowed = [level for level in USUAL_LEVELS if find_floor(np.zeros(count), level) is not None]
    right = float((decided & truth).sum() / max(count, 1))
    return next((level for level in allowed if level > right), allowed[-1] if allowed else None)


def measure_floors(claims: NDArray[Any], truth: NDArray[np.bool_], level: float) -> Floors:
    """Measure the floors at a level from the probabilities of claims and which are true, (N, K) each.

    A level needs level / (1 − level) images of a claim: 9 at 90 %, 19 at 95 %, 99 at 99 %. With fewer the set would
    always hold it; it then has the floor of all true claims together.
    """
    together = find_floor(claims[truth], level)
    each = [find_floor(claims[has, place], level) for place, has in enumerate(truth.T)]
    pooled = tuple(place for place, floor in enumerate(each) if floor is None)
    found = (together if floor is None else floor for floor in each)
    return Floors(tuple(0.0 if floor is None else floor for floor in found), pooled)


def find_floor(probabilities: NDArray[Any], level: float) -> float | None:
    """Find the floor of the probabilities (N,) of true claims, rounded down to six digits; None with too few."""
    rank = math.ceil(round((len(probabilities) + 1) * level, 9))
    if rank > len(probabilities):
        return None
    return math.floor(float(np.sort(probabilities)[len(probabilities) - rank]) * 1e6) / 1e6


def find_unsure(claims: NDArray[Any], decided: NDArray[np.bool_], floors: Sequence[float]) -> NDArray[np.bool_]:
    """Say for which images (N,) the set holds anything but what is decided; claims and decided are (N, K)."""
    return np.asarray(((claims >= np.asarray(floors)) & ~decided).any(axis=1))
