"""Linear heads solved fast: logistic regression with an L2 penalty, by conjugate gradients on whitened features.

The penalised loss is convex, but its features are alike, so that a quasi-Newton method takes 30 to 100 passes over
them and stops short of the optimum. Here each step is taken in the metric of the loss's own second derivative, with the
curvature of every image averaged over the outputs: M = Xᵀ W X + λ, factored once or twice in a solution (Cholesky).
The steps are those of nonlinear conjugate gradients (Polak & Ribière 1969, restarted where they do not descend), each
as long as makes the loss least along it; that costs no pass over the features, since logits are linear in the head.

Where images are fewer than features, all is done in their products, K = X Xᵀ: the head is Xᵀ α.

Measured on features of 2,099 solar cells (1,280 columns, four classes), against scikit-learn's L-BFGS as it was used
until then (tolerance 1e-3, which left a share of 1.3e-4 of the loss at strength 1e-3 and 7.5e-4 at 1e-2): within 1e-5
of the least loss after 11 and 23 steps, where that had taken 37 and 53.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.task.logistic_losses import LogisticLoss, Sums
from sightx_cli.task.logistic_spaces import Matrix, Space, choose_space

MOST_STEPS = 100
"""A head that is not there yet is left where it is: it is a fine start for training, and the valid part judges it."""

RENEWED = 20
"""After so many steps, which cost about as much as a factor, M is taken anew: images that are answered with certainty
no longer bend the loss. Most heads are solved before."""

LEAST_SHARE = 1e-3
"""No image's curvature counts as less than this share of the mean: the metric stays regular."""

SEARCHES = 8
SEARCHED = 0.1
LONGEST = 16.0
"""How often the length of a step is bettered at most, the share of it that is near enough, and the longest step: as
many times the one that a quadratic loss asks for."""

FLAT = 1e-12
"""Added to each curvature: where all is answered with certainty, none is left."""

SMALLEST = 1e-30


@dataclass(frozen=True)
class LogisticSolution:
    """A solved head: logits = features · weight + bias."""

    weight: Matrix
    """(F, C)."""
    bias: Matrix
    """(C,)."""
    features: NDArray[Any]
    """What it was solved on, in which space, and the point there, to start from for another penalty."""
    space: Space
    coordinates: Matrix
    centred_bias: Matrix
    steps: int
    gap: float
    """By how much the loss lies above the least one, as a share of it: an estimate, up to ten times too low where the
    penalty is weak."""


@dataclass(frozen=True)
class Place:
    """A point, or a way between points: coordinates (·, C), bias (C,), and the centred logits (N, C) without it."""

    coordinates: Matrix
    bias: Matrix
    pushed: Matrix

    @property
    def logits(self) -> Matrix:
        """The logits, (N, C)."""
        return self.pushed + self.bias

    def move(self, length: Sums, way: Place) -> Place:
        """Return where a way of some length leads, of one length or one for each output."""
        share = np.asarray(length, np.float32)
        return Place(
            self.coordinates + share * way.coordinates, self.bias + share * way.bias, self.pushed + share * way.pushed
        )


@dataclass(frozen=True)
class Slope:
    """The gradient at a point, and the way down in the metric M with the fall of the loss that it promises, twice."""

    gradient: Matrix
    bias: Matrix
    down: Place
    fall: Sums


class Descent:
    """A solution under way: the loss, the space that it is solved in, and where it is."""

    def __init__(self, space: Space, loss: LogisticLoss, ridge: float, images: int) -> None:
        self.space, self.loss, self.ridge = space, loss, ridge
        outputs = loss.wanted.shape[1]
        self.at = Place(*(np.zeros(shape, np.float32) for shape in ((space.size, outputs), outputs, (images, outputs))))
        self.predicted = loss.predict(self.at.logits)

    def start(self, coordinates: Matrix, bias: Matrix) -> None:
        """Start from elsewhere than zero."""
        self.at = Place(coordinates, bias, self.space.push(coordinates))
        self.predicted = self.loss.predict(self.at.logits)

    def renew(self) -> None:
        """Take the metric of the loss's curvature at this point, and its logits anew."""
        self.start(self.at.coordinates, self.at.bias)
        curvature = self.loss.measure_curvature(self.predicted)
        curvature = np.maximum(curvature, np.float32(LEAST_SHARE) * curvature.mean() + np.float32(FLAT))
        self.whiten, self.bend = self.space.whiten(curvature, self.ridge), curvature.sum()

    def measure(self) -> Sums:
        """Measure the loss, with its penalty."""
        penalty = 0.5 * self.ridge * self.multiply(self.at, self.at.coordinates)
        return self.loss.measure(self.at.logits) + penalty

    def measure_slack(self) -> float:
        """Measure how many times the curvature that the metric was made of is that of this point."""
        now = self.loss.measure_curvature(self.predicted).sum()
        return max(1.0, float(self.bend / max(now, SMALLEST)))

    def multiply(self, place: Place, gradient: Matrix, bias: Matrix | None = None) -> Sums:
        """Multiply a place with a gradient: by how much the loss rises along it."""
        product = self.loss.add(self.space.pair(place.coordinates, place.pushed) * gradient)
        return product if bias is None else product + self.loss.add((place.bias * bias)[None])

    def look(self) -> Slope:
        """Look for the way down from here."""
        slopes = self.loss.measure_slopes(self.predicted)
        gradient, bias = self.space.pull(slopes, self.at.coordinates, self.ridge), slopes.sum(0)
        coordinates = self.whiten(gradient)
        down = Place(-coordinates, -bias / self.bend, -self.space.push(coordinates))
        return Slope(gradient, bias, down, -self.multiply(down, gradient, bias))

    def bend_way(self, slope: Slope, before: Slope, way: Place) -> Place:
        """Return the way down, conjugate to the way before where that descends."""
        change = slope.fall + self.multiply(slope.down, before.gradient, before.bias)
        kept = np.maximum(change, 0) / np.maximum(before.fall, SMALLEST)
        rise = kept * self.multiply(way, slope.gradient, slope.bias)
        return slope.down.move(np.where(rise < slope.fall, kept, 0), way)

    def advance(self, way: Place) -> None:
        """Go along a way to where the loss is least, by Newton's method between bounds; no pass over the features."""
        penalty = self.ridge * self.multiply(way, self.at.coordinates)
        penalty_bend = self.ridge * self.multiply(way, way.coordinates)
        logits, ahead, predicted = self.at.logits, way.logits, self.predicted
        length = np.zeros_like(penalty)
        near, far = length, np.full_like(length, LONGEST)
        for _ in range(SEARCHES):
            slope = self.loss.add(self.loss.measure_slopes(predicted) * ahead) + penalty + length * penalty_bend
            bend = self.loss.measure_bend(predicted, ahead) + penalty_bend
            near, far = np.where(slope < 0, length, near), np.where(slope < 0, far, length)
            tried = length - slope / np.maximum(bend, SMALLEST)
            tried = np.where((tried < near) | (tried > far), (near + far) / 2, tried)
            moved, length = np.abs(tried - length), tried
            if np.all(moved <= SEARCHED * length):
                break
            predicted = self.loss.predict(logits + np.asarray(length, np.float32) * ahead)
        else:  # the loss is convex: it is less wherever it still falls
            length = np.where(near > 0, near, length)
        self.at = self.at.move(length, way)
        self.predicted = self.loss.predict(self.at.logits)


def solve_logistic(
    features: NDArray[Any],
    loss: LogisticLoss,
    strength: float,
    tolerance: float,
    start: LogisticSolution | None = None,
) -> LogisticSolution:
    """Minimise loss + ‖weight‖² / (2 · strength) over weight (F, C) and bias (C,), on features (N, F).

    It stops where the loss seems to lie above the least by no more than `tolerance`² of itself: as a gradient's share,
    the measure of other solvers, a tolerance is squared in the loss. It starts from the solution `start` where that is
    of the same array of features and as many outputs. Of an output alone, some images want 0 and some 1: else there is
    no least loss.
    """
    rows = np.asarray(features, np.float32)
    again = start is not None and start.features is features
    space = start.space if start is not None and again else choose_space(rows, loss.image_weights)
    descent = Descent(space, loss, 1.0 / strength, len(rows))
    if start is not None and again and start.coordinates.shape == descent.at.coordinates.shape:
        descent.start(start.coordinates, start.centred_bias)
    before, way, last, gap, value = None, descent.at, descent.at, np.inf, np.inf
    for step in range(MOST_STEPS + 1):
        if step in (0, RENEWED):
            descent.renew()
            before, value = None, np.inf
        values = descent.measure()
        if values.sum() > value:  # float32 rounds by more than a step gains
            descent.at = last
            break
        slope, value, last = descent.look(), values.sum(), descent.at
        gap = float(np.max(0.5 * slope.fall / np.maximum(values, SMALLEST)) * descent.measure_slack())
        if gap <= tolerance**2 or step == MOST_STEPS:
            break
        way = slope.down if before is None else descent.bend_way(slope, before, way)
        before = slope
        descent.advance(way)
    found = descent.at
    weight, shift = space.read(found.coordinates)
    return LogisticSolution(weight, found.bias - shift, features, space, found.coordinates, found.bias, step, gap)
