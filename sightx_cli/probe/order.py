"""Whether classes are grades: whether, in the network's features, each lies between those before and after it.

Among three grades the middle one lies between the others; three kinds of things are all about as far from each other.
So for every three classes, in the order of their names, the angle is taken at which the centre of the middle class sees
the centres of the two others: 180° for classes on a straight line, 60° for unrelated ones, whatever their order.

Measured on `tf_efficientnet_lite0`, features of all stages. Grades: 413 retina photographs 108°, 200 of them 101° and
more, 2,000 solar cells 85° (eight draws, 83° and more), graded blur and noise 115° and more. Codes: 3,000 CIFAR
images and 1,797 digits as 0…9 60°; families of alike classes side by side 65°. Of random orders of some of these
classes 1 to 3 in 100 pass, with ten classes none.

Also tried: whether wrong answers lie closer to the diagonal than in 99 of 100 shuffles of them. It finds the retina's
grades, but not the solar cells', whose extremes are confused; and of CIFAR's classes in random order one in five passes
with 500 images and one in two with 1,000, since what is confused is never spread evenly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import acos, degrees
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.probe.linear_head import STRENGTHS, TRIAL_IMAGES, calm_threads, measure_scale, rotate
from sightx_cli.task.stratification import number_together
from sightx_cli.task.task import Task

ORDER_IMAGES = 2_000
"""At most this many images are measured: where grades are as unclear as the solar cells', 1,000 leave it to chance."""

FEWEST_CLASSES = 3
FEWEST_ERRORS = 20
"""With fewer wrong answers an order makes little difference, and says little."""

LEAST_DEGREES = {3: 90.0, 4: 79.0}
"""The angle from which classes are grades, by their number: of few classes, one order in three or twelve is the best by
chance, however little it fits."""
LEAST_OF_MANY_DEGREES = 75.0

LEAST_OF_ENDS_DEGREES = 70.0
"""The same angle where the two others are the first class and the last: in a circle, as of months, they are neighbours.
A regular one of twelve gives 71° over all, and 15° here."""

UNRELATED_DEGREES = 60.0
"""The angle at every middle among classes that are all as far from each other."""

SMOOTHING = 100.0
"""How much of the mean variance is added in every direction before the classes' own spread is divided out."""


@dataclass(frozen=True)
class Order:
    """What was found: the mean angle in degrees, that of the first and last class, and how many answers are wrong."""

    classes: int
    angle_degrees: float
    ends_degrees: float
    errors: int
    images: int

    @property
    def least_degrees(self) -> float:
        """The angle from which as many classes are grades."""
        return LEAST_DEGREES.get(self.classes, LEAST_OF_MANY_DEGREES)

    @property
    def is_borne_out(self) -> bool:
        """Whether the classes are grades."""
        enough = self.classes >= FEWEST_CLASSES and self.errors >= FEWEST_ERRORS
        return enough and self.angle_degrees >= self.least_degrees and self.ends_degrees >= LEAST_OF_ENDS_DEGREES

    def describe(self) -> str:
        """Say what was found, in one line."""
        if self.errors < FEWEST_ERRORS:
            return f"only {self.errors} of {self.images:,} images are confused, too few to tell an order by"
        said = f"of three classes the middle one sees the others {self.angle_degrees:.0f}° apart"
        known = f"unrelated classes give {UNRELATED_DEGREES:.0f}°, a straight line 180°"
        if self.is_borne_out:
            return f"{said} ({known})"
        if self.angle_degrees < self.least_degrees:
            return f"{said} ({known}; grades at least {self.least_degrees:.0f}°)"
        return f"the first class and the last are close: the others see them {self.ends_degrees:.0f}° apart"


def measure_order(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    task: Task,
    together: Sequence[str],
) -> Order | None:
    """Measure whether classes lie in their order, from features (N, F), classes and folds (N,) of images.

    `together` names images of one group, "" for none: pairs of one group say nothing. None for fewer than three
    classes that have images of two groups.
    """
    mean, deviation = measure_scale(features)
    scaled = (features - mean) / deviation
    centres = measure_centres(scaled, targets, number_together(together))
    if len(centres) < FEWEST_CLASSES:
        return None
    angle, ends = measure_angles(centres)
    asked = np.sort(np.random.default_rng(0).permutation(len(targets))[:TRIAL_IMAGES])
    with calm_threads(len(asked)):
        errors = count_errors(rotate(scaled[asked]), targets[asked], fold_of[asked], task.plain())
    return Order(len(centres), angle, ends, errors, len(targets))


def measure_centres(
    scaled: NDArray[np.float32], targets: NDArray[np.int64], units: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Measure the products of the classes' centres (C, C) in standardised features (N, F), without what is chance.

    A class's product with itself is over pairs of different images, so that the centre of few images is no farther from
    the others than that of many; pairs of one unit are left out, and classes without any other. Directions in which the
    images of a class differ much count less.
    """
    classes, places = np.unique(targets, return_inverse=True)
    total, member = len(places), np.eye(len(classes), dtype=np.float32)[places]
    freedom = np.float32(max(total - len(classes), 1))
    residue = scaled - (member / member.sum(0)) @ (member.T @ scaled)
    spread = residue @ residue.T / freedom
    spread[np.diag_indices(total)] += SMOOTHING * np.trace(spread) / scaled.shape[1]
    across = residue @ scaled.T / np.sqrt(freedom)
    products = (scaled @ scaled.T - across.T @ np.linalg.solve(spread, across)).astype(np.float64)
    apart = (units[:, None] != units).astype(np.float64)
    pairs = member.T @ apart @ member
    kept = np.flatnonzero(np.diag(pairs) > 0)
    sums = member.T @ (products * apart) @ member
    return np.asarray((sums / pairs.clip(min=1))[np.ix_(kept, kept)])


def measure_angles(centres: NDArray[Any]) -> tuple[float, float]:
    """Measure the mean angle in degrees at the middle of any three classes, and of the first, any, and the last.

    From the products of their centres (C, C). Each is the angle of the mean cosine, in which every middle weighs as its
    two sides are long: classes that lie together say little.
    """
    own = np.diag(centres)
    squares = own[:, None] + own - 2 * centres
    lengths = np.sqrt(squares.clip(min=0))
    last = len(own) - 1
    first, second = np.triu_indices(last + 1, 1)
    # A pair is a side as often as there are classes before or after both, and lies opposite one for each between them.
    times = (first + last - second) - (second - first - 1)
    sides = (np.tril(lengths, -1).sum(1) * np.triu(lengths, 1).sum(1)).sum()
    every = find_angle((times * squares[first, second]).sum() / 2, sides)
    middle = slice(1, last)
    opposite = (squares[0, middle] + squares[middle, last] - squares[0, last]).sum() / 2
    return every, find_angle(opposite, (lengths[0, middle] * lengths[middle, last]).sum())


def find_angle(product: float, lengths: float) -> float:
    """Find the angle in degrees of a sum of products of vectors and that of their lengths; 60 where these vanish."""
    return degrees(acos(max(-1.0, min(1.0, product / lengths)))) if lengths > 0 else UNRELATED_DEGREES


def count_errors(rows: NDArray[np.float32], targets: NDArray[np.int64], fold_of: NDArray[np.int64], task: Task) -> int:
    """Count the wrong answers of heads on rows (N, F), each image answered by the head that did not see it."""
    wrong = 0
    for fold in np.unique(fold_of):
        out = fold_of == fold
        model = task.build_regression(STRENGTHS[2], False, 1e-2).fit(rows[~out], targets[~out])
        wrong += int((task.decide(model.predict(rows[out])) != targets[out]).sum())
    return wrong
