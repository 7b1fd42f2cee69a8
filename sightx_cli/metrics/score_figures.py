"""Scores of the probabilities themselves, without a class decided: log loss and Brier score.

Numpy is imported only where something is measured, so that the registry can be read without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sightx_cli.metrics.answers import Answers, Floats

BELIEVED = 0.5
"""The part of the variance expected of probabilities that is believed where images vary less: all of it would widen the
intervals of few images too much (98.5 to 99 % held the truth of 30 images), none of it too little (77 %)."""

LEAST_ODDS_PROBABILITY = 1e-7
"""Probabilities are held this far from 0 and 1 before they become odds: float32 knows nothing nearer to 1."""

CELLS = 2_000_000
"""Probabilities that are worked on at a time: 16 MB."""


def measure_loss(answers: Answers) -> float:
    """Measure the mean log loss, in nats."""
    return float(answers.losses.mean())


def resample_loss(answers: Answers, weights: Floats) -> Floats:
    """Measure the same of each resample."""
    import numpy as np

    return np.asarray(weights @ answers.losses / weights.sum(axis=1))


def linearise_loss(answers: Answers) -> tuple[float, Floats]:
    """Measure it with the contribution of each image."""
    mean = measure_loss(answers)
    return mean, (answers.losses - mean) / len(answers.losses)


def measure_brier(answers: Answers) -> float:
    """Measure the Brier score: the squared distances of an image's probabilities from its truth, summed over classes.

    The mean over images of Σ (p_k − y_k)², 0…2 (Brier 1950). Of two classes that is twice the form that counts class 1
    only, scikit-learn's `brier_score_loss` with `scale_by_half=True`. Where an image may have several labels, each is a
    question of two classes, and the score their mean.
    """
    return float(_list_squares(answers).mean())


def resample_brier(answers: Answers, weights: Floats) -> Floats:
    """Measure the same of each resample."""
    import numpy as np

    return np.asarray(weights @ _list_squares(answers) / weights.sum(axis=1))


def linearise_brier(answers: Answers) -> tuple[float, Floats]:
    """Measure it with the contribution of each image."""
    squares = _list_squares(answers)
    return float(squares.mean()), (squares - squares.mean()) / len(squares)


def expect_brier(answers: Answers, _: float) -> tuple[float, float]:
    """Expect the score, and the variance believed, that the probabilities promise if right (Spiegelhalter 1986)."""
    return _expect_mean(answers.ask_each().scores, lambda rows: (rows**2).sum(axis=1, keepdims=True) - 2 * rows + 1)


def expect_loss(answers: Answers, _: float) -> tuple[float, float]:
    """Expect the log loss, and the variance believed, that the probabilities promise if each is right."""
    import numpy as np

    return _expect_mean(answers.ask_each().scores, lambda rows: -np.log(np.clip(rows, LEAST_ODDS_PROBABILITY, 1.0)))


def _expect_mean(scores: Floats, measure_costs: Callable[[Floats], Floats]) -> tuple[float, float]:
    """Expect the mean cost, and the variance believed, from the probabilities (N, C) and costs (N, C) of outcomes."""
    import numpy as np

    means, variances = [], []
    for rows in divide_rows(scores):
        costs = measure_costs(rows)
        means.append((rows * costs).sum(axis=1))
        variances.append((rows * costs**2).sum(axis=1) - means[-1] ** 2)
    mean = np.concatenate(means)
    variance = float(np.concatenate(variances).sum() + ((mean - mean.mean()) ** 2).sum())
    return float(mean.mean()), BELIEVED * variance / len(scores) ** 2


def divide_rows(scores: Floats) -> Iterator[Floats]:
    """Yield some rows at a time, so that no more than `CELLS` numbers are made of them at once."""
    rows = max(1, CELLS // scores.shape[1])
    for start in range(0, len(scores), rows):
        yield scores[start : start + rows]


def _list_squares(answers: Answers) -> Floats:
    """List the score of each image, (N,); where it may have several labels, the mean over these."""
    import numpy as np

    asked = answers.ask_each()
    own = asked.scores[np.arange(len(asked.truth)), asked.truth]
    squares = np.einsum("nc,nc->n", asked.scores, asked.scores) - 2 * own + 1
    return answers.gather(squares) * (len(answers.truth) / len(squares))
