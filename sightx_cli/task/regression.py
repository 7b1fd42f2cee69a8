"""What solves the linear head of a task."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray


class Regression(Protocol):
    """A linear head being solved on features (N, F)."""

    def set_strength(self, strength: float) -> None:
        """Set the inverse strength of the L2 penalty (scikit-learn's C) for the next `fit`."""

    def fit(self, features: NDArray[np.float32], targets: NDArray[np.int64]) -> Self:
        """Fit on features and the targets of their images."""

    def predict(self, features: NDArray[np.float32]) -> NDArray[Any]:
        """Return the probabilities (N, C); 0 for classes that were not seen."""

    def measure_loss(self, features: NDArray[np.float32], targets: NDArray[np.int64]) -> float:
        """Measure the log loss, summed over images that were not fitted on."""

    def read(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return weight (C, F) and bias (C,) of the logits."""
