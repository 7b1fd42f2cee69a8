"""A logistic regression on targets that neighbouring grades share (see `task.grades`), in scikit-learn's style.

A module of its own: SciPy and scikit-learn take a second to import.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.base import BaseEstimator

from sightx_cli.task.grades import share_grades


class GradeRegression(BaseEstimator):  # type: ignore[misc]
    """A multinomial logistic regression on shared targets, in the style of scikit-learn's `LogisticRegression`.

    It minimises C · Σ weight · cross-entropy + ½ ‖coefficients‖², the intercepts free. scikit-learn's own takes no
    shared targets, and to give it each row once for each grade would take three times the memory.
    """

    classes_: NDArray[np.int64]
    coef_: NDArray[np.float32]
    intercept_: NDArray[np.float32]

    def __init__(
        self,
        classes: int,
        C: float,  # noqa: N803 (scikit-learn's name, as of the other parameters)
        balanced: bool,
        max_iter: int = 100,
        tol: float = 1e-3,
        warm_start: bool = False,
    ) -> None:
        self.classes = classes
        self.C = C
        self.balanced = balanced
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start

    def fit(self, features: NDArray[np.float32], targets: NDArray[np.int64]) -> Self:
        """Fit on features (N, F) and grades (N,) from 0 to `classes` − 1."""
        counts = np.bincount(targets, minlength=self.classes)
        present = np.count_nonzero(counts)
        weights = (len(targets) / (present * counts.clip(min=1)))[targets] if self.balanced else np.ones(len(targets))
        total = float(weights.sum())
        weights = (weights / total).astype(np.float32)
        shares = share_grades(self.classes)[targets]
        penalty = 1.0 / (self.C * total)
        size = (self.classes, features.shape[1] + 1)
        start = np.zeros(size, np.float64)
        if self.warm_start and hasattr(self, "coef_") and self.coef_.shape[1] == features.shape[1]:
            start = np.column_stack([self.coef_, self.intercept_]).astype(np.float64)

        def measure(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            rows = flat.reshape(size).astype(np.float32)
            logits = features @ rows[:, :-1].T + rows[:, -1]
            logits -= logits.max(1, keepdims=True)
            logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
            loss = -float((weights @ (shares * logs)).sum(dtype=np.float64))
            slopes = weights[:, None] * (np.exp(logs) - shares)
            gradient = np.column_stack([slopes.T @ features + penalty * rows[:, :-1], slopes.sum(0)])
            return loss + 0.5 * penalty * float((rows[:, :-1] ** 2).sum()), gradient.astype(np.float64).ravel()

        options = {"maxiter": self.max_iter, "gtol": self.tol, "ftol": float(np.finfo(np.float32).eps)}
        found = minimize(measure, start.ravel(), jac=True, method="L-BFGS-B", options=options).x.reshape(size)
        self.classes_ = np.arange(self.classes)
        self.coef_, self.intercept_ = found[:, :-1].astype(np.float32), found[:, -1].astype(np.float32)
        return self

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (N, C) of features (N, F)."""
        logits = features @ self.coef_.T + self.intercept_
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True), np.float32)
