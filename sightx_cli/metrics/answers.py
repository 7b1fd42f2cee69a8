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
        """Whether the class that each image is given is the true one, (N,)."""
        return np.asarray(self.predicted == self.truth)

    @cached_property
    def can_be_ranked(self) -> bool:
        """Whether there are two classes at least, and an image of each."""
        return 2 <= self.classes == len(np.unique(self.truth))

    @cached_property
    def losses(self) -> Floats:
        """The log loss of each image, (N,), in nats."""
        return measure_losses(self.scores, self.truth)

    def take(self, rows: Booleans) -> Answers:
        """Return the answers for some of the images."""
        return Answers(self.scores[rows], self.truth[rows])

    def ask_each(self) -> Answers:
        """Return the answers to questions of which one answer is right: these."""
        return self

    def gather(self, values: Floats) -> Floats:
        """Sum values of such questions by image, (N,)."""
        return values

    def count_rarest(self, units: Integers) -> int:
        """Count the distinct units (N,), images or groups, of the class that has fewest."""
        pairs = np.unique(np.stack([self.truth, units]), axis=1)
        return int(np.unique(pairs[0], return_counts=True)[1].min())


@dataclass(frozen=True)
class DecidedAnswers(Answers):
    """Answers for N images whose class is not the most probable one, but decided otherwise: by a threshold."""

    decided: Integers
    """The class of each image, (N,)."""

    @cached_property
    def predicted(self) -> Integers:
        """The class decided for, (N,)."""
        return self.decided

    def take(self, rows: Booleans) -> DecidedAnswers:
        """Return the answers for some of the images."""
        return DecidedAnswers(self.scores[rows], self.truth[rows], self.decided[rows])

    def ask_each(self) -> Answers:
        """Return the same answers by the most probable class, whose probability is what calibration judges."""
        return Answers(self.scores, self.truth)


@dataclass(frozen=True)
class SetAnswers(Answers):
    """Answers for N images that may have several of C labels: truth and decisions are 0 and 1, (N, C)."""

    decided: Integers
    """Whether each image is given each label, (N, C): its probability reaches the label's threshold."""

    @cached_property
    def predicted(self) -> Integers:
        """The decisions, (N, C)."""
        return self.decided

    @cached_property
    def right(self) -> Booleans:
        """Whether each image is given exactly its labels, (N,)."""
        return np.asarray((self.decided == self.truth).all(axis=1))

    @cached_property
    def can_be_ranked(self) -> bool:
        """Whether some label is that of some images only."""
        return bool(((self.truth == 1).any(axis=0) & (self.truth == 0).any(axis=0)).any())

    @cached_property
    def losses(self) -> Floats:
        """The log loss of each image, the mean over its labels, (N,), in nats."""
        return measure_set_losses(self.scores, self.truth)

    def take(self, rows: Booleans) -> SetAnswers:
        """Return the answers for some of the images."""
        return SetAnswers(self.scores[rows], self.truth[rows], self.decided[rows])

    def ask_each(self) -> Answers:
        """Return the answers to one question for each image and label, (N · C,): without the label, with it."""
        scores = self.scores.ravel()
        return Answers(np.stack([1 - scores, scores], axis=1), self.truth.ravel())

    def gather(self, values: Floats) -> Floats:
        """Sum values of such questions by image, (N,)."""
        return np.asarray(values.reshape(self.truth.shape).sum(axis=1))

    def count_rarest(self, units: Integers) -> int:
        """Count the distinct units (N,) of the label that fewest have, among those that occur; at least 1."""
        counts = [len(np.unique(units[has == 1])) for has in self.truth.T]
        return min((count for count in counts if count), default=1)


def check_answers(probabilities: object, targets: object, classes: Sequence[str]) -> Answers:
    """Return probabilities and targets, the index of each true class, as float64 and int64, checked.

    Raises: `TrainingError` for probabilities that are not finite, `DataError` for shapes that do not fit.
    """
    scores, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(targets, dtype=np.int64)
    if scores.ndim != 2 or scores.shape[1] != len(classes) or truth.shape != scores.shape[:1] or not len(truth):
        raise DataError(
            f"probabilities of shape {scores.shape} and targets of shape {truth.shape} for {len(classes)} classes; "
            "they must be (N, classes) and (N,), with N at least 1"
        )
    if truth.min() < 0 or truth.max() >= len(classes):
        raise DataError(f"targets reach from {truth.min()} to {truth.max()}; they must lie in 0…{len(classes) - 1}")
    _check_finite(scores)
    return Answers(scores, truth)


def check_decided_answers(
    probabilities: object, targets: object, decided: object, classes: Sequence[str]
) -> DecidedAnswers:
    """Return probabilities, targets, and the class decided for of each image, (N,), checked.

    Raises: as `check_answers`.
    """
    answers = check_answers(probabilities, targets, classes)
    return DecidedAnswers(answers.scores, answers.truth, np.asarray(decided, dtype=np.int64))


def check_set_answers(probabilities: object, targets: object, decided: object, classes: Sequence[str]) -> SetAnswers:
    """Return probabilities, targets and decisions of images with several labels, (N, C) each, checked.

    Raises: as `check_answers`.
    """
    scores, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(targets, dtype=np.int64)
    if scores.ndim != 2 or scores.shape[1] != len(classes) or truth.shape != scores.shape or not len(truth):
        raise DataError(
            f"probabilities of shape {scores.shape} and targets of shape {truth.shape} for {len(classes)} labels; "
            "both must be (N, labels), with N at least 1"
        )
    if not np.isin(truth, (0, 1)).all():
        raise DataError(f"targets reach from {truth.min()} to {truth.max()}; they must be 0 and 1")
    _check_finite(scores)
    return SetAnswers(scores, truth, np.asarray(decided, dtype=np.int64))


def _check_finite(scores: Floats) -> None:
    if not np.isfinite(scores).all():
        raise TrainingError(
            f"{int((~np.isfinite(scores)).any(axis=1).sum())} of {len(scores)} predictions are not finite",
            "lower the rate, such as --rate 1e-4, or add --set training.clip=1.0",
        )


def measure_losses(scores: Floats, truth: Integers) -> Floats:
    """The loss of each image, −ln p(true class), in nats: (N,)."""
    return np.asarray(-np.log(np.clip(scores[np.arange(len(truth)), truth], SMALLEST_PROBABILITY, 1.0)))


def measure_set_losses(scores: Floats, truth: Integers) -> Floats:
    """The loss of each image with several labels: −ln p of each label's truth, averaged over the labels, (N,)."""
    right = np.where(truth == 1, scores, 1 - scores)
    return np.asarray(-np.log(np.clip(right, SMALLEST_PROBABILITY, 1.0)).mean(axis=1))
