"""The figures of images with several labels: how each is measured, resampled and linearised.

A label that every image has, or none, cannot be ranked and is left out of what is averaged over labels; one that no
image has is left out of the macro F1 too. Truth and decisions are 0 and 1, (N, C).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightx_cli.metrics.ranks import (
    expect_area,
    expect_precision,
    linearise_area,
    linearise_precision,
    weigh_area,
    weigh_precision,
)

if TYPE_CHECKING:
    from sightx_cli.metrics.answers import Answers, Floats
    from sightx_cli.metrics.ranks import Expect, Linearise, Weigh

CELLS = 10_000_000
"""Weights of single labels that are held at a time: 80 MB."""


def measure_mean_precision(answers: Answers) -> float | None:
    """Measure the average precision of each label, averaged."""
    return _measure_mean(answers, linearise_precision)


def resample_mean_precision(answers: Answers, weights: Floats) -> Floats | None:
    """Measure the same of each resample."""
    return _resample_mean(answers, weights, weigh_precision)


def linearise_mean_precision(answers: Answers) -> tuple[float, Floats] | None:
    """Measure it with the contribution of each image (see `ranks.linearise_precision`)."""
    return _linearise_mean(answers, linearise_precision)


def measure_macro_area(answers: Answers) -> float | None:
    """Measure the area under the ROC curve of each label, averaged."""
    return _measure_mean(answers, linearise_area)


def resample_macro_area(answers: Answers, weights: Floats) -> Floats | None:
    """Measure the same of each resample."""
    return _resample_mean(answers, weights, weigh_area)


def linearise_macro_area(answers: Answers) -> tuple[float, Floats] | None:
    """Measure it with the contribution of each image (see `ranks.linearise_area`)."""
    return _linearise_mean(answers, linearise_area)


def measure_micro_area(answers: Answers) -> float | None:
    """Measure the area under the ROC curve of all labels of all images as one ranking."""
    found = linearise_micro_area(answers)
    return None if found is None else found[0]


def resample_micro_area(answers: Answers, weights: Floats) -> Floats | None:
    """Measure the same of each resample."""
    import numpy as np

    positive, scores = answers.truth.ravel() == 1, answers.scores.ravel()
    if positive.all() or not positive.any():
        return None
    rows = max(1, CELLS // len(scores))
    parts = [weights[start : start + rows] for start in range(0, len(weights), rows)]
    return np.concatenate([weigh_area(np.repeat(part, answers.classes, axis=1), scores, positive) for part in parts])


def linearise_micro_area(answers: Answers) -> tuple[float, Floats] | None:
    """Measure it with the contribution of each image: that of all its labels."""
    positive = answers.truth.ravel() == 1
    if positive.all() or not positive.any():
        return None
    area, contributions = linearise_area(answers.scores.ravel(), positive)
    return area, contributions.reshape(answers.truth.shape).sum(axis=1)


def measure_macro_f1(answers: Answers) -> float | None:
    """Measure the F1 of each label that occurs, averaged."""
    found = resample_macro_f1(answers, _weigh_once(answers))
    return None if found is None else float(found[0])


def resample_macro_f1(answers: Answers, weights: Floats) -> Floats | None:
    """Measure the same of each resample."""
    import numpy as np

    both, true, named = _count_labels(answers, weights)
    occurs = true > 0
    if not answers.truth.any():
        return None
    each = np.divide(2 * both, true + named, out=np.zeros_like(both), where=occurs)
    counted = occurs.sum(axis=1)
    return np.asarray(np.divide(each.sum(axis=1), counted, out=np.full(len(weights), np.nan), where=counted > 0))


def measure_micro_f1(answers: Answers) -> float | None:
    """Measure the F1 of all labels counted together."""
    found = resample_micro_f1(answers, _weigh_once(answers))
    return None if found is None else float(found[0])


def resample_micro_f1(answers: Answers, weights: Floats) -> Floats | None:
    """Measure the same of each resample."""
    import numpy as np

    if not answers.truth.any():
        return None
    both, true, named = (counts.sum(axis=1) for counts in _count_labels(answers, weights))
    return np.asarray(np.divide(2 * both, true + named, out=np.full(len(weights), np.nan), where=true > 0))


def measure_exact_match(answers: Answers) -> float:
    """Measure the share of images whose labels are all decided rightly."""
    return float(answers.right.mean())


def resample_exact_match(answers: Answers, weights: Floats) -> Floats:
    """Measure the same of each resample."""
    import numpy as np

    return np.asarray(weights @ answers.right / weights.sum(axis=1))


def measure_hamming_loss(answers: Answers) -> float:
    """Measure the share of all labels of all images that are decided wrongly."""
    return float((answers.predicted != answers.truth).mean())


def resample_hamming_loss(answers: Answers, weights: Floats) -> Floats:
    """Measure the same of each resample."""
    import numpy as np

    wrong = (answers.predicted != answers.truth).mean(axis=1)
    return np.asarray(weights @ wrong / weights.sum(axis=1))


def linearise_macro_f1(answers: Answers) -> tuple[float, Floats] | None:
    """Measure it with the contribution of each image: what it adds to the F1 of each label that occurs."""
    import numpy as np

    (both,), (true,), (named,) = _count_labels(answers, _weigh_once(answers))
    occurs = true > 0
    if not occurs.any():
        return None
    each, total = 2 * both[occurs] / (true + named)[occurs], (true + named)[occurs]
    truth, given = answers.truth[:, occurs], answers.predicted[:, occurs]
    moved = (2 * truth * given - each * (truth + given)) / total
    return float(each.mean()), np.asarray(moved.mean(axis=1))


def linearise_micro_f1(answers: Answers) -> tuple[float, Floats] | None:
    """Measure it with the contribution of each image: what it adds to what is right, true and given."""
    import numpy as np

    truth, given = answers.truth.sum(axis=1), answers.predicted.sum(axis=1)
    total = float((truth + given).sum())
    if not truth.any():
        return None
    both = (answers.truth * answers.predicted).sum(axis=1)
    value = float(2 * both.sum() / total)
    return value, np.asarray((2 * both - value * (truth + given)) / total)


def linearise_exact_match(answers: Answers) -> tuple[float, Floats]:
    """Measure it with the contribution of each image."""
    return _linearise_average(answers.right.astype(float))


def linearise_hamming_loss(answers: Answers) -> tuple[float, Floats]:
    """Measure it with the contribution of each image."""
    return _linearise_average((answers.predicted != answers.truth).mean(axis=1))


def expect_macro_area(answers: Answers, value: float) -> tuple[float, float]:
    """Expect the variance of a mean over labels, each ranked by itself (see `ranks.expect_area`)."""
    return _expect_mean(answers, value, expect_area)


def expect_mean_precision(answers: Answers, value: float) -> tuple[float, float]:
    """Expect the variance of a mean over labels, each ranked by itself (see `ranks.expect_precision`)."""
    return _expect_mean(answers, value, expect_precision)


def _expect_mean(answers: Answers, value: float, expect: Expect) -> tuple[float, float]:
    import numpy as np

    having = answers.truth.sum(axis=0)[list_ranked(answers)]
    known = [expect(value, int(count), len(answers.truth) - int(count)) for count in having]
    values, variances = zip(*known, strict=True)
    return float(np.mean(values)), float(np.sum(variances)) / len(known) ** 2


def _linearise_average(values: Floats) -> tuple[float, Floats]:
    mean = float(values.mean())
    return mean, (values - mean) / len(values)


def list_ranked(answers: Answers) -> list[int]:
    """List the labels that some of the images have and some have not."""
    import numpy as np

    return list(np.flatnonzero((answers.truth == 1).any(axis=0) & (answers.truth == 0).any(axis=0)).tolist())


def _measure_mean(answers: Answers, linearise: Linearise) -> float | None:
    found = _linearise_mean(answers, linearise)
    return None if found is None else found[0]


def _resample_mean(answers: Answers, weights: Floats, weigh: Weigh) -> Floats | None:
    import numpy as np

    ranked = list_ranked(answers)
    if not ranked:
        return None
    each = np.array([weigh(weights, answers.scores[:, place], answers.truth[:, place] == 1) for place in ranked])
    usable = ~np.isnan(each)
    counted = usable.sum(axis=0)
    return np.asarray(np.divide(np.nansum(each, axis=0), counted, out=np.full(len(weights), np.nan), where=counted > 0))


def _linearise_mean(answers: Answers, linearise: Linearise) -> tuple[float, Floats] | None:
    import numpy as np

    found = [linearise(answers.scores[:, place], answers.truth[:, place] == 1) for place in list_ranked(answers)]
    if not found:
        return None
    values, contributions = zip(*found, strict=True)
    return float(np.mean(values)), np.mean(contributions, axis=0)


def _count_labels(answers: Answers, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Count, for each resample, the images that rightly, truly and by decision have each label: (R, C) each."""
    both = (answers.truth == 1) & (answers.predicted == 1)
    return weights @ both, weights @ answers.truth, weights @ answers.predicted


def _weigh_once(answers: Answers) -> Floats:
    import numpy as np

    return np.ones((1, len(answers.truth)))
