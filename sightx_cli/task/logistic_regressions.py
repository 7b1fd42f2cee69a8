"""The regressions behind linear heads: of classes that exclude each other, and of labels that stand alone.

A module of its own: SciPy takes a fifth of a second to import.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from sightx_cli.metrics.answers import measure_set_losses
from sightx_cli.task.logistic_losses import LogisticLoss, SigmoidLoss, SoftmaxLoss
from sightx_cli.task.logistic_solver import LogisticSolution, solve_logistic

NEVER = -10.0
"""The bias of a class without images: a factor of e⁻¹⁰ in its odds."""


class PenalisedRegression:
    """What both have in common: a penalty, a tolerance, and where the last solution left off."""

    def __init__(self, outputs: int, strength: float, balanced: bool, tolerance: float, warm_start: bool) -> None:
        self.outputs, self.strength, self.balanced = outputs, strength, balanced
        self.tolerance, self.warm_start = tolerance, warm_start
        self.last: LogisticSolution | None = None

    def set_strength(self, strength: float) -> None:
        """Set the inverse strength of the L2 penalty for the next `fit`."""
        self.strength = strength

    def solve(self, features: NDArray[np.float32], loss: LogisticLoss) -> LogisticSolution:
        """Solve; where it is asked for, from the last solution on the same array of features."""
        solution = solve_logistic(features, loss, self.strength, self.tolerance, self.last)
        self.last = solution if self.warm_start else None
        return solution


class ClassRegression(PenalisedRegression):
    """A multinomial logistic regression for all C classes, even if it was shown fewer.

    It minimises Σ weight · cross-entropy + ‖weights‖² / (2 · strength), the biases free, and is scikit-learn's: of two
    classes, one row of weights tells the second from the first. With `shares` (C, C), the target of each class over
    all classes (see `task.grades`), a class that it was not shown has its share of the others.
    """

    def __init__(
        self,
        outputs: int,
        strength: float,
        balanced: bool,
        tolerance: float,
        warm_start: bool = False,
        shares: NDArray[np.float32] | None = None,
    ) -> None:
        super().__init__(outputs, strength, balanced, tolerance, warm_start)
        self.shares = shares
        self.seen: NDArray[np.int64] = np.empty(0, np.int64)

    def fit(self, features: NDArray[np.float32], targets: NDArray[np.int64]) -> Self:
        """Fit on features (N, F) and class numbers (N,); with a single class there is nothing to fit."""
        present, places, counts = np.unique(targets, return_inverse=True, return_counts=True)
        self.seen = present if self.shares is None else np.arange(self.outputs)
        self.weight = np.zeros((self.outputs, features.shape[1]), np.float32)
        self.bias = np.full(self.outputs, NEVER, np.float32)
        if len(self.seen) < 2:
            self.bias[self.seen] = 0.0
            return self
        weights = np.ones(len(present)) if not self.balanced else len(targets) / (len(present) * counts)
        each = weights[places].astype(np.float32)
        if self.shares is not None:
            solution = self.solve(features, SoftmaxLoss(self.shares[targets], each))
        elif len(present) == 2:
            solution = self.solve(features, SigmoidLoss(places[:, None].astype(np.float32), each[:, None]))
        else:
            solution = self.solve(features, SoftmaxLoss(np.eye(len(present), dtype=np.float32)[places], each))
        first = self.seen[1:] if solution.weight.shape[1] == 1 else self.seen
        self.bias[self.seen] = 0.0
        self.weight[first], self.bias[first] = solution.weight.T, solution.bias
        return self

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (N, C); 0 of a class that was not seen."""
        logits = features @ self.weight[self.seen].T + self.bias[self.seen]
        powers = np.exp(logits - logits.max(1, keepdims=True))
        found = np.zeros((len(features), self.outputs), np.float32)
        found[:, self.seen] = powers / powers.sum(1, keepdims=True)
        return found

    def measure_loss(self, features: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
        """Measure the summed log loss over images (N, F) whose classes (N,) were all seen."""
        least = np.finfo(np.float32).eps
        own = self.predict(features)[np.arange(len(targets)), targets].astype(np.float64)
        return float(-np.log(own.clip(least, 1 - least)).sum())

    def read(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return weight (C, F) and bias (C,) of the logits; a class that was not seen is all but ruled out."""
        return self.weight, self.bias


class LabelRegression(PenalisedRegression):
    """A logistic regression for each label, all solved at once on the same features.

    Each is that of a `ClassRegression` of two classes. A label that all images have, or none, is not solved but known.
    """

    certain: NDArray[np.float32]
    """1 for a label that all images had, −1 for one that none had: there was nothing to solve; else 0."""

    def fit(self, features: NDArray[np.float32], targets: NDArray[np.int64]) -> Self:
        """Fit on features (N, F) and labels (N, C)."""
        having, images = targets.sum(axis=0), len(targets)
        self.certain = np.where(having == 0, -1, having == images).astype(np.float32)
        self.weight = np.zeros((self.outputs, features.shape[1]), np.float32)
        self.bias = np.asarray(-NEVER * self.certain, np.float32)
        asked = np.flatnonzero(self.certain == 0)
        if len(asked):
            wanted = targets[:, asked].astype(np.float32)
            weights = np.ones_like(wanted)
            if self.balanced:
                with_it = having[asked]
                weights = np.where(wanted > 0, images / (2 * with_it), images / (2 * (images - with_it)))
            solution = self.solve(features, SigmoidLoss(wanted, weights.astype(np.float32)))
            self.weight[asked], self.bias[asked] = solution.weight.T, solution.bias
        return self

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (N, C); of a label that is certain, e¹⁰ to 1 for it or against it."""
        with np.errstate(over="ignore"):  # e^1000 is infinite, and its probability 0
            return np.asarray(1 / (1 + np.exp(-(features @ self.weight.T + self.bias))), np.float32)

    def measure_loss(self, features: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
        """Measure the log loss, the mean over an image's labels, summed over images."""
        return float(measure_set_losses(self.predict(features).astype(np.float64), targets).sum())

    def read(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return weight (C, F) and bias (C,) of the logits."""
        return self.weight, self.bias
