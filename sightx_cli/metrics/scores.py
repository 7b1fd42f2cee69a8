"""What all figures are measured from: probabilities and true classes, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sightx_cli.errors import DataError, TrainingError

METRICS = ("accuracy", "balanced_accuracy", "roc_auc", "quadratic_kappa", "loss")
SMALLEST_PROBABILITY = 1e-12  # keeps log(0) out of the loss: one sure mistake costs 27.6 nats at most

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]


def check_scores(probabilities: object, targets: object, classes: Sequence[str]) -> tuple[Floats, Integers]:
    """Probabilities as (N, C) float64 and targets as (N,) int64, checked.

    Raises: `TrainingError` for probabilities that are not finite, `DataError` for shapes that do not fit.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    truth = np.asarray(targets, dtype=np.int64)
    if scores.ndim != 2 or scores.shape[1] != len(classes) or truth.shape != scores.shape[:1] or not len(truth):
        raise DataError(
            f"probabilities of shape {scores.shape} and targets of shape {truth.shape} for {len(classes)} classes; "
            "they must be (N, classes) and (N,), with N at least 1"
        )
    if truth.min() < 0 or truth.max() >= len(classes):
        raise DataError(f"targets reach from {truth.min()} to {truth.max()}; they must lie in 0…{len(classes) - 1}")
    if not np.isfinite(scores).all():
        raise TrainingError(
            f"{int((~np.isfinite(scores)).any(axis=1).sum())} of {len(scores)} predictions are not finite",
            "lower the rate, such as --rate 1e-4, or add --set training.clip=1.0",
        )
    return scores, truth


def measure_losses(scores: Floats, truth: Integers) -> Floats:
    """The loss of each image, −ln p(true class), in nats: (N,)."""
    return np.asarray(-np.log(np.clip(scores[np.arange(len(truth)), truth], SMALLEST_PROBABILITY, 1.0)))
