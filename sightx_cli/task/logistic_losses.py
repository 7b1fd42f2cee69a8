"""The losses of linear heads as functions of the logits, with what a solver asks of them: values, slopes, curvatures.

Every image has a weight of its own. Logits and all that comes of them are (N, C).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Sums = Any
"""A float64 for all outputs together, or (C,) where each output is a problem of its own."""


class LogisticLoss(Protocol):
    """A convex loss of logits, summed over images."""

    @property
    def wanted(self) -> NDArray[np.float32]:
        """The probabilities that would cost least, (N, C)."""

    @property
    def image_weights(self) -> NDArray[np.float32]:
        """The weight of each image, (N,), over its outputs."""

    def add(self, values: NDArray[Any]) -> Sums:
        """Add values (N or F, C) that belong to one problem."""

    def predict(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities of logits."""

    def measure(self, logits: NDArray[np.float32]) -> Sums:
        """Measure the loss."""

    def measure_slopes(self, predicted: NDArray[np.float32]) -> NDArray[np.float32]:
        """Measure the loss's derivative by each logit, where these are the probabilities."""

    def measure_bend(self, predicted: NDArray[np.float32], way: NDArray[np.float32]) -> Sums:
        """Measure the loss's second derivative along a way of the logits."""

    def measure_curvature(self, predicted: NDArray[np.float32]) -> NDArray[np.float32]:
        """Measure each image's second derivative by a logit, (N,): the mean over the outputs."""


@dataclass(frozen=True)
class SoftmaxLoss:
    """The cross-entropy of classes that exclude each other, against `wanted`, whose rows sum to 1."""

    wanted: NDArray[np.float32]
    weights: NDArray[np.float32]
    """(N,)."""

    @property
    def image_weights(self) -> NDArray[np.float32]:
        """The weight of each image, (N,)."""
        return self.weights

    def add(self, values: NDArray[Any]) -> Sums:
        """Add all: the classes are one problem."""
        return values.sum(dtype=np.float64)

    def predict(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return their softmax."""
        powers = np.exp(logits - logits.max(1, keepdims=True))
        powers /= powers.sum(1, keepdims=True)
        return np.asarray(powers, np.float32)

    def measure(self, logits: NDArray[np.float32]) -> Sums:
        """Measure the weighted cross-entropy."""
        above = logits - logits.max(1, keepdims=True)
        each = np.log(np.exp(above).sum(1)) - np.einsum("nc,nc->n", self.wanted, above)
        return (self.weights * each).sum(dtype=np.float64)

    def measure_slopes(self, predicted: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is predicted less what is wanted, weighted."""
        return np.asarray(self.weights[:, None] * (predicted - self.wanted))

    def measure_bend(self, predicted: NDArray[np.float32], way: NDArray[np.float32]) -> Sums:
        """Return the weighted variance of the way under the probabilities."""
        apart = way - np.einsum("nc,nc->n", predicted, way)[:, None]
        return (self.weights * np.einsum("nc,nc->n", predicted, apart * apart)).sum(dtype=np.float64)

    def measure_curvature(self, predicted: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean over the C − 1 directions in which a softmax moves, weighted."""
        spread = 1 - np.einsum("nc,nc->n", predicted, predicted)
        return np.asarray(self.weights * spread / np.float32(predicted.shape[1] - 1))


@dataclass(frozen=True)
class SigmoidLoss:
    """The binary cross-entropy of outputs that are questions of their own, against `wanted`, 0 or 1."""

    wanted: NDArray[np.float32]
    weights: NDArray[np.float32]
    """(N, C)."""

    @property
    def image_weights(self) -> NDArray[np.float32]:
        """The mean weight of each image, (N,)."""
        return np.asarray(self.weights.mean(1))

    def add(self, values: NDArray[Any]) -> Sums:
        """Add each column: every output is a problem of its own."""
        return values.sum(0, dtype=np.float64)

    def predict(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return their sigmoid."""
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), np.float32)

    def measure(self, logits: NDArray[np.float32]) -> Sums:
        """Measure the weighted binary cross-entropy of each output, (C,)."""
        return self.add(self.weights * (np.logaddexp(np.float32(0), logits) - self.wanted * logits))

    def measure_slopes(self, predicted: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is predicted less what is wanted, weighted."""
        return np.asarray(self.weights * (predicted - self.wanted))

    def measure_bend(self, predicted: NDArray[np.float32], way: NDArray[np.float32]) -> Sums:
        """Return the second derivative of each output, (C,)."""
        return self.add(self.weights * predicted * (1 - predicted) * way * way)

    def measure_curvature(self, predicted: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean over the outputs, weighted."""
        return np.asarray((self.weights * predicted * (1 - predicted)).mean(1), np.float32)
