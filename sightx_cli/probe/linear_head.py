"""The linear probe: the head's weights solved on cached features, as the start of training (LP-FT).

Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features" (arXiv:2202.10054): a head that is solved first keeps
the first steps of fine-tuning from tearing up the backbone.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.task.task import Task

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Inverse strengths of the L2 penalty that are tried (scikit-learn's C, on standardised features)."""

SMALL_IMAGES = 2000
"""Up to this many images, a solver's matrices are so small that its threads mostly wait for each other."""

TRIAL_IMAGES = 1000
"""The penalty is chosen on at most this many images: more do not change the choice."""


@contextmanager
def calm_threads(images: int) -> Iterator[None]:
    """Let linear algebra run on one thread while heads of few images are solved: five times faster beside other work.

    Many images keep all threads.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1, user_api="blas") if images <= SMALL_IMAGES else nullcontext():
        yield


@dataclass(frozen=True)
class LinearSolution:
    """A solved linear head: logits = weight · (features − mean) / deviation + bias."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    strength: float
    task: Task

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (N, C) of features (N, F)."""
        return self.task.activate((features - self.mean) / self.deviation @ self.weight.T + self.bias)


def solve_linear_head(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    task: Task,
    balanced: bool,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    views: int = 1,
) -> LinearSolution:
    """Solve the task's regression on features (N, F) with the targets of their images.

    The penalty is chosen by cross-validated log loss on the training images, with groups kept together. At least two
    classes must have images; a class without any is all but ruled out. With several views the rows hold every image
    once per view, view after view: the penalty is chosen on the first view, and weighs as much per image on all.
    """
    mean, deviation = measure_scale(features)
    scaled = (features - mean) / deviation
    first = len(targets) // views
    first_groups = None if groups is None else list(groups)[:first]
    strength = choose_strength(scaled[:first], targets[:first], task, balanced, first_groups, seed) / views
    with warnings.catch_warnings():
        # An unconverged solution is a fine start for training; the valid part judges it.
        warnings.simplefilter("ignore")
        weight, bias = task.build_regression(strength, balanced, 1e-3).fit(scaled, targets).read()
    return LinearSolution(weight, bias, mean, deviation, strength, task)


def measure_scale(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean and the deviation of each feature, (F,) each; a constant feature's deviation counts as 1."""
    mean = features.mean(0, dtype=np.float64).astype(np.float32)
    deviation = features.std(0, dtype=np.float64).astype(np.float32)
    deviation[deviation < 1e-6] = 1.0
    return mean, deviation


def rotate(scaled: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rotate features (N, F) so that N columns hold all of them, if there are fewer rows than columns: (N, min(N, F)).

    Distances are preserved, and so is the loss of every L2-penalised linear model: the same solutions, found faster.
    """
    if len(scaled) >= scaled.shape[1]:
        return scaled
    left, size, _ = np.linalg.svd(scaled, full_matrices=False)
    return np.ascontiguousarray(left * size)


def choose_strength(
    scaled: NDArray[np.float32],
    targets: NDArray[np.int64],
    task: Task,
    balanced: bool,
    groups: Sequence[str] | None,
    seed: int,
) -> float:
    """Choose the penalty with the least cross-validated log loss, on at most TRIAL_IMAGES images."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    rows = np.arange(len(targets))
    if len(rows) > TRIAL_IMAGES:
        rows = np.random.default_rng(seed).choice(rows, TRIAL_IMAGES, replace=False)
    x, y = rotate(scaled[rows]), targets[rows]
    strata = task.find_strata(y)
    present = np.unique(strata)
    # An empty name is no group: that image is on its own (see data.splits).
    named = [group or f"\0{place}" for place, group in enumerate([""] * len(targets) if groups is None else groups)]
    chosen = np.asarray(named)[rows]
    apart = len(np.unique(chosen))
    folds = min(3, int(np.bincount(strata)[present].min()), apart)
    if folds < 2 or len(present) < 2:
        return STRENGTHS[1]
    if apart < len(rows):
        splits = list(StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(x, strata, chosen))
    else:
        splits = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, strata))
    # A fold without a class to learn from, or with nothing to judge on, says nothing about the penalty.
    splits = [(fit, judge) for fit, judge in splits if len(judge) and len(np.unique(strata[fit])) == len(present)]
    if not splits:
        return STRENGTHS[1]
    losses = []
    for strength in STRENGTHS:
        total = 0.0
        for fit, judge in splits:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = task.build_regression(strength, balanced, 1e-2).fit(x[fit], y[fit])
            total += model.measure_loss(x[judge], y[judge])
        losses.append(total)
    return STRENGTHS[int(np.argmin(losses))]
