"""What all figures are measured from: probabilities, decisions and true classes, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sightx_cli.errors import DataError, TrainingError

SMALLEST_PROBABILITY = 1e-12  # keeps log(0) out of the loss: one sure mistake costs 27.6 nats at most

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Booleans = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Answers:
    """A classifier's answers for N images of C classes: probabilities (N, C), each row summing to 1, and truth (N,)."""

    scores: Floats
    truth: Integers

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self.scores.shape[1])

    @cached_property
    def predicted(self) -> Integers:
        """The most probable class of each image, (N,)."""
        return np.asarray(self.scores.argmax(axis=1))

    @cached_property
    def right(self) -> Booleans:
        """Whether each image's most probable class is the true one, (N,)."""
        return np.asarray(self.predicted == self.truth)

    @cached_property
    def can_be_ranked(self) -> bool:
        """Whether there are two classes at least, and an image of each."""
        return 2 <= self.classes == len(np.unique(self.truth))

    def take(self, rows: Booleans) -> Answers:
        """Return the answers for some of the images."""
        return Answers(self.scores[rows], self.truth[rows])


def check_answers(probabilities: object, targets: object, classes: Sequence[str]) -> Answers:
    """Return probabilities and targets, the index of each true class, as float64 and int64, checked.

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
    return Answers(scores, truth)


def measure_losses(scores: Floats, truth: Integers) -> Floats:
    """The loss of each image, −ln p(true class), in nats: (N,)."""
    return np.asarray(-np.log(np.clip(scores[np.arange(len(truth)), truth], SMALLEST_PROBABILITY, 1.0)))
