"""The coordinates in which a linear head is solved, and the metric in which its steps are taken.

The metric is the second derivative of the penalised loss with the curvature of every image averaged over the outputs,
M = Xᵀ W X + λ, factored by Cholesky. Where images are fewer than features, all is done in their products, K = X Xᵀ: the
head is Xᵀ α, and the step of a gradient Xᵀ g is Xᵀ √W (√W K √W + λ)⁻¹ g / √W.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.blas import ssyrk

Matrix = NDArray[Any]
"""Of float32."""

Whiten = Callable[[Matrix], Matrix]

FACTORED = 6_000
"""The largest matrix that is factored whole, 144 MB; of more images and features, a sample of images whitens."""
SAMPLED = 2_000

ROWS = 1_024
"""Rows of features that are weighed, and so copied, at a time."""

ROUNDING = 1e-6
"""The least ridge of a matrix that is factored, as a share of its trace. Of 18 matrices of 300 to 2,000 rows and rank
1, 2 or 10, float32 could not factor 4 with 1e-7, and every one with 3e-7."""


class Space(Protocol):
    """The coordinates (·, C) in which a head is solved: centred logits are linear in them, the penalty is quadratic."""

    size: int

    def push(self, point: Matrix) -> Matrix:
        """Return the centred logits (N, C) of a point or a way."""

    def pull(self, slopes: Matrix, point: Matrix, ridge: float) -> Matrix:
        """Return the gradient of the penalised loss from its slopes by the logits (N, C)."""

    def pair(self, way: Matrix, logits: Matrix) -> Matrix:
        """Return of a way and its logits what a gradient is multiplied with for the change of the loss."""

    def whiten(self, curvature: Matrix, ridge: float) -> Whiten:
        """Return what takes a gradient to the step that a quadratic loss of this curvature (N,) asks for."""

    def read(self, point: Matrix) -> tuple[Matrix, Matrix]:
        """Return the weights (F, C) of a point, and the logits (C,) of the centre by them."""


class ImageSpace:
    """A number for each image: weights are Xᵀ α, for fewer images than features."""

    def __init__(self, features: Matrix, shares: Matrix) -> None:
        self.features, self.shares, self.size = features, shares, len(features)
        products = features @ features.T
        self.rounding = ROUNDING * float(np.einsum("ii->", products, dtype=np.float64))
        means = products @ shares
        products -= means
        products -= (means - shares @ means)[:, None]
        self.products = products

    def push(self, point: Matrix) -> Matrix:
        """Multiply with the centred products."""
        return np.asarray(self.products @ point)

    def pull(self, slopes: Matrix, point: Matrix, ridge: float) -> Matrix:
        """Return the gradient as a number for each image."""
        return slopes + np.float32(ridge) * point

    def pair(self, way: Matrix, logits: Matrix) -> Matrix:  # noqa: ARG002 (the other space takes the way)
        """Return the logits."""
        return logits

    def whiten(self, curvature: Matrix, ridge: float) -> Whiten:
        """Factor √W K √W + λ."""
        roots = np.sqrt(curvature)
        weighed = self.products * roots
        weighed *= roots[:, None]
        solve = factor(weighed, max(ridge, self.rounding * float(curvature.mean())))

        def whiten(gradient: Matrix) -> Matrix:
            return self.centre(roots[:, None] * solve(gradient / roots[:, None]))

        return whiten

    def centre(self, point: Matrix) -> Matrix:
        """Leave out what adds nothing to centred logits: left in, it grows until float32 loses the rest in it."""
        return np.asarray(point - self.shares[:, None] * point.sum(0))

    def read(self, point: Matrix) -> tuple[Matrix, Matrix]:
        """Return Xᵀ α, from centred features."""
        weight = np.asarray(self.features.T @ self.centre(point))
        return weight, (self.shares @ self.features) @ weight


class FeatureSpace:
    """A number for each feature: weights as they are."""

    def __init__(self, features: Matrix, shares: Matrix) -> None:
        self.features, self.centre, self.size = features, shares @ features, features.shape[1]

    def push(self, point: Matrix) -> Matrix:
        """Multiply with the centred features."""
        return np.asarray(self.features @ point - self.centre @ point)

    def pull(self, slopes: Matrix, point: Matrix, ridge: float) -> Matrix:
        """Return the gradient by the weights."""
        gradient = self.features.T @ slopes
        gradient -= np.outer(self.centre, slopes.sum(0))
        gradient += np.float32(ridge) * point
        return gradient

    def pair(self, way: Matrix, logits: Matrix) -> Matrix:  # noqa: ARG002 (the other space takes the logits)
        """Return the way."""
        return way

    def whiten(self, curvature: Matrix, ridge: float) -> Whiten:
        """Factor Xᵀ W X + λ, or what a sample of the images says of it where it is large (Woodbury's identity)."""
        if self.size > FACTORED:
            return self._whiten_sample(curvature, ridge)
        total = np.zeros((self.size, self.size), np.float32, order="F")
        for first in range(0, len(self.features), ROWS):
            some = slice(first, first + ROWS)
            total = ssyrk(1.0, self._weigh(some, curvature).T, 1.0, total, lower=1, overwrite_c=1)
        return factor(total, ridge)

    def _weigh(self, some: slice, curvature: Matrix) -> Matrix:
        """Return some rows, centred and weighed."""
        rows: Matrix = self.features[some] - self.centre
        rows *= np.sqrt(curvature[some])[:, None]
        return rows

    def _whiten_sample(self, curvature: Matrix, ridge: float) -> Whiten:
        step = -(-len(self.features) // SAMPLED)
        rows = self._weigh(slice(None, None, step), curvature * np.float32(step))
        solve = factor(rows @ rows.T, ridge)
        return lambda gradient: np.asarray((gradient - rows.T @ solve(rows @ gradient)) / np.float32(ridge))

    def read(self, point: Matrix) -> tuple[Matrix, Matrix]:
        """Return the point."""
        return point, self.centre @ point


def factor(matrix: Matrix, ridge: float) -> Whiten:
    """Factor a symmetric matrix (n, n), of which the lower half counts, with `ridge` on its diagonal; overwrites it."""
    matrix = matrix if matrix.flags.f_contiguous else matrix.T  # of the same half and more: it is symmetric
    diagonal = np.einsum("ii->i", matrix)
    diagonal += np.float32(max(ridge, ROUNDING * float(diagonal.sum(dtype=np.float64))))
    factored = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    return lambda right: np.asarray(cho_solve(factored, right, check_finite=False), np.float32)


def choose_space(features: Matrix, weights: Matrix) -> Space:
    """Choose the smaller space for features (N, F), centred on their mean under the images' weights (N,).

    Images' products are only taken where they can be factored.
    """
    shares = np.asarray(weights / weights.sum(dtype=np.float64), np.float32)
    if len(features) <= min(features.shape[1], FACTORED):
        return ImageSpace(features, shares)
    return FeatureSpace(features, shares)


def measure_square_bytes(columns: int) -> int:
    """Measure the largest square matrix that a head of so many features takes while it is solved."""
    return int(min(columns, FACTORED)) ** 2 * np.dtype(np.float32).itemsize
