"""Figures of a confusion matrix: balanced accuracy, F1, Matthews, kappa. Each measured, resampled, and linearised.

All of them depend on the images only through how often each true class was predicted as each class. Numpy is imported
only where something is measured, so that the registry can be read without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sightx_cli.metrics.answers import Answers, Booleans, Floats, Integers


@dataclass(frozen=True)
class Decisions:
    """True and predicted classes, (N,) each, without the probabilities that led there."""

    truth: Integers
    predicted: Integers
    classes: int

    @property
    def right(self) -> Booleans:
        """Whether each image's predicted class is the true one, (N,)."""
        import numpy as np

        return np.asarray(self.truth == self.predicted)


def measure_balanced_accuracy(answers: Answers) -> float:
    """Measure the mean sensitivity of the classes that occur."""
    return linearise_balanced_accuracy(answers)[0]


def resample_balanced_accuracy(answers: Answers, weights: Floats) -> Floats:
    """Measure the same of each resample: of the classes left in it."""
    import numpy as np

    right = answers.right
    support = sum_by_class(weights, answers.truth, answers.classes)
    hits = sum_by_class(weights[:, right], answers.truth[right], answers.classes)
    shares = np.divide(hits, support, out=np.full_like(hits, np.nan), where=support > 0)
    return np.asarray(np.nanmean(shares, axis=1), dtype=np.float64)


def linearise_balanced_accuracy(answers: Answers | Decisions) -> tuple[float, Floats]:
    """Measure it with the contribution of each image: how far it is from its class's sensitivity."""
    import numpy as np

    support, _, hits = _count(answers)
    occurs = support > 0
    shares = np.divide(hits, support, out=np.zeros_like(hits), where=occurs)
    each = (answers.right - shares[answers.truth]) / support[answers.truth]
    return float(shares[occurs].mean()), np.asarray(each / occurs.sum())


def measure_f1(answers: Answers) -> float:
    """Measure the F1 of each class that occurs, averaged; 0 for one that is never predicted."""
    return linearise_f1(answers)[0]


def resample_f1(answers: Answers, weights: Floats) -> Floats:
    """Measure the same of each resample: of the classes left in it."""
    import numpy as np

    support, named, hits = _weigh(answers, weights)
    each = np.divide(2 * hits, support + named, out=np.full_like(hits, np.nan), where=support > 0)
    return np.asarray(np.nanmean(each, axis=1), dtype=np.float64)


def linearise_f1(answers: Answers | Decisions) -> tuple[float, Floats]:
    """Measure it with the contribution of each image: what it adds to 2 · right and to (true + predicted) images."""
    import numpy as np

    support, named, hits = _count(answers)
    occurs = support > 0
    both = np.where(occurs, support + named, 1.0)
    each = np.where(occurs, 2 * hits / both, 0.0)
    truth, predicted = answers.truth, answers.predicted
    gained = 2 * answers.right / both[truth] - each[truth] / both[truth] - each[predicted] / both[predicted]
    return float(each[occurs].mean()), np.asarray(gained / occurs.sum())


def measure_matthews(answers: Answers) -> float | None:
    """Measure Matthews' correlation of truths and answers (Gorodkin 2004); None where either names one class only."""
    found = linearise_matthews(answers)
    return None if found is None else found[0]


def resample_matthews(answers: Answers, weights: Floats) -> Floats:
    """Measure the same of each resample; NaN where one class only is left."""
    import numpy as np

    support, named, hits = _weigh(answers, weights)
    total = weights.sum(axis=1)
    above = hits.sum(axis=1) * total - (support * named).sum(axis=1)
    below = (total**2 - (support**2).sum(axis=1)) * (total**2 - (named**2).sum(axis=1))
    return np.asarray(np.divide(above, np.sqrt(below), out=np.full(len(weights), np.nan), where=below > 0))


def linearise_matthews(answers: Answers | Decisions) -> tuple[float, Floats] | None:
    """Measure it with the contribution of each image: the derivative of covariance over both spreads."""
    import numpy as np

    support, named, hits = _count(answers)
    total, truth, predicted = float(len(answers.truth)), answers.truth, answers.predicted
    of_truth, of_answers = total**2 - (support**2).sum(), total**2 - (named**2).sum()
    if min(of_truth, of_answers) <= 0:
        return None
    value = (hits.sum() * total - support @ named) / np.sqrt(of_truth * of_answers)
    above = answers.right * total + hits.sum() - named[truth] - support[predicted]
    below = (total - support[truth]) / of_truth + (total - named[predicted]) / of_answers
    return float(value), np.asarray(above / np.sqrt(of_truth * of_answers) - value * below)


def measure_kappa(answers: Answers) -> float | None:
    """Measure Cohen's kappa with quadratic weights; None where only one class occurs, among truths and answers."""
    found = linearise_kappa(answers)
    return None if found is None else found[0]


def resample_kappa(answers: Answers, weights: Floats) -> Floats:
    """Measure the same of each resample: 1 − observed / expected squared distance of the grades."""
    import numpy as np

    observed = weights @ (answers.truth - answers.predicted).astype(np.float64) ** 2
    support, named, _ = _weigh(answers, weights)
    expected = np.einsum("ri,ij,rj->r", support, _square_distances(answers.classes), named) / weights.sum(axis=1)
    return np.asarray(1 - np.divide(observed, expected, out=np.full(len(weights), np.nan), where=expected > 0))


def linearise_kappa(answers: Answers | Decisions) -> tuple[float, Floats] | None:
    """Measure it with the contribution of each image: to the observed, and to the expected squared distance."""
    import numpy as np

    support, named, _ = _count(answers)
    total, distances = len(answers.truth), _square_distances(answers.classes)
    each = (answers.truth - answers.predicted).astype(np.float64) ** 2
    observed, expected = each.sum(), support @ distances @ named / total
    if expected <= 0:
        return None
    moved = (distances @ named)[answers.truth] + (support @ distances)[answers.predicted] - expected
    return float(1 - observed / expected), np.asarray(-each / expected + observed * moved / total / expected**2)


def expect_balanced_accuracy(answers: Answers, _: float) -> tuple[float, float] | None:
    """Expect what a smoothed confusion gives (see `_expect`)."""
    return _expect(linearise_balanced_accuracy, answers)


def expect_f1(answers: Answers, _: float) -> tuple[float, float] | None:
    """Expect what a smoothed confusion gives (see `_expect`)."""
    return _expect(linearise_f1, answers)


def expect_matthews(answers: Answers, _: float) -> tuple[float, float] | None:
    """Expect what a smoothed confusion gives (see `_expect`)."""
    return _expect(linearise_matthews, answers)


def expect_kappa(answers: Answers, _: float) -> tuple[float, float] | None:
    """Expect what a smoothed confusion gives (see `_expect`)."""
    return _expect(linearise_kappa, answers)


def _expect(
    linearise: Callable[[Decisions], tuple[float, Floats] | None], answers: Answers
) -> tuple[float, float] | None:
    """Return a figure and its variance after half an image more of each class was right, and half a one was wrong.

    Where no mistake was seen, or a class never predicted, images seem to say that neither can happen. For a share that
    is Jeffreys' prior (Brown, Cai & DasGupta 2001), and what is made of several shares is mended by it as well: of 30
    images with few of a class, intervals around the figure itself hold the truth in 89 of 100 evaluations; with the one
    around this value, in 95. The wrong half goes to the next class, the neighbour of a grade. All is doubled, so that
    halves can be counted.
    """
    import numpy as np

    present = np.unique(answers.truth)
    if answers.classes < 2:
        return None
    wrong = np.where(present + 1 < answers.classes, present + 1, present - 1)
    truth = np.concatenate([answers.truth, answers.truth, present, present])
    predicted = np.concatenate([answers.predicted, answers.predicted, present, wrong])
    found = linearise(Decisions(truth, predicted, answers.classes))
    return None if found is None else (found[0], 2 * float((found[1] ** 2).sum()))


def sum_by_class(weights: Floats, groups: Integers, count: int) -> Floats:
    """Sum weights (R, N) by group: (R, count)."""
    import numpy as np

    order = np.argsort(groups, kind="stable")
    summed = np.zeros((len(weights), count))
    present, starts = np.unique(groups[order], return_index=True)
    if len(present):
        summed[:, present] = np.add.reduceat(weights[:, order], starts, axis=1)
    return summed


def _count(answers: Answers | Decisions) -> tuple[Floats, Floats, Floats]:
    """Count the images that truly, by prediction, and rightly are of each class: (C,) each."""
    import numpy as np

    each = (answers.truth, answers.predicted, answers.truth[answers.right])
    support, named, hits = (np.bincount(one, minlength=answers.classes).astype(np.float64) for one in each)
    return support, named, hits


def _weigh(answers: Answers, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Count the same in each resample: (R, C) each."""
    right = answers.right
    return (
        sum_by_class(weights, answers.truth, answers.classes),
        sum_by_class(weights, answers.predicted, answers.classes),
        sum_by_class(weights[:, right], answers.truth[right], answers.classes),
    )


def _square_distances(count: int) -> Floats:
    import numpy as np

    places = np.arange(count, dtype=np.float64)
    return np.asarray((places[:, None] - places[None, :]) ** 2)
