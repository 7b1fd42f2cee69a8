"""Figures of a ranking by probability: ROC AUC and average precision, of two classes and of several.

Of two classes they are those of class 1; of several, the mean of each class against the rest. None where a class has no
image, or is the only one. Numpy is imported only where something is measured.
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
    from sightx_cli.metrics.answers import Answers, Booleans, Floats
    from sightx_cli.metrics.ranks import Expect, Linearise, Weigh

SHARED = 1.3
"""By how many times the variance of a mean of classes is that of independent ones."""


def measure_roc_auc(answers: Answers) -> float | None:
    """Measure that of class 1 of two, else the macro mean of one class against the rest; None where a class lacks."""
    return _measure(answers, linearise_area)


def resample_roc_auc(answers: Answers, weights: Floats) -> Floats | None:
    """Measure the same of each resample: of the classes that can still be ranked in it."""
    return _resample(answers, weights, weigh_area)


def linearise_roc_auc(answers: Answers) -> tuple[float, Floats] | None:
    """Measure the ROC AUC and the contribution of each image to it, (N,): of several classes, the mean of theirs."""
    return _linearise(answers, linearise_area)


def measure_average_precision(answers: Answers) -> float | None:
    """Measure that of class 1 of two, else the macro mean of one class against the rest; None where a class lacks."""
    return _measure(answers, linearise_precision)


def resample_average_precision(answers: Answers, weights: Floats) -> Floats | None:
    """Measure the same of each resample: of the classes that can still be ranked in it."""
    return _resample(answers, weights, weigh_precision)


def linearise_average_precision(answers: Answers) -> tuple[float, Floats] | None:
    """Measure it and the contribution of each image to it, (N,): of several classes, the mean of theirs."""
    return _linearise(answers, linearise_precision)


def expect_roc_auc(answers: Answers, value: float) -> tuple[float, float]:
    """Expect its variance from its value and the images of each class (see `ranks.expect_area`)."""
    return _expect(answers, value, expect_area)


def expect_average_precision(answers: Answers, value: float) -> tuple[float, float]:
    """Expect its variance from its value and the images of each class (see `ranks.expect_precision`)."""
    return _expect(answers, value, expect_precision)


def _list_sides(answers: Answers) -> list[tuple[Floats, Booleans]]:
    """List the scores (N,) and the positive images (N,) of each class that is ranked."""
    places = [1] if answers.classes == 2 else list(range(answers.classes))
    return [(answers.scores[:, place], answers.truth == place) for place in places]


def _measure(answers: Answers, linearise: Linearise) -> float | None:
    import numpy as np

    if not answers.can_be_ranked:
        return None
    return float(np.mean([linearise(scores, positive)[0] for scores, positive in _list_sides(answers)]))


def _resample(answers: Answers, weights: Floats, weigh: Weigh) -> Floats | None:
    import numpy as np

    if not answers.can_be_ranked:
        return None
    each = np.array([weigh(weights, scores, positive) for scores, positive in _list_sides(answers)])
    usable = ~np.isnan(each)
    return np.where(usable.any(axis=0), np.nansum(each, axis=0) / np.maximum(usable.sum(axis=0), 1), np.nan)


def _linearise(answers: Answers, linearise: Linearise) -> tuple[float, Floats] | None:
    import numpy as np

    if not answers.can_be_ranked:
        return None
    sides, total, moved = _list_sides(answers), 0.0, np.zeros(len(answers.truth))
    for scores, positive in sides:
        value, contributions = linearise(scores, positive)
        total += value
        moved += contributions
    return total / len(sides), moved / len(sides)


def _expect(answers: Answers, value: float, expect: Expect) -> tuple[float, float]:
    """Expect the mean of the classes and its variance.

    Of C classes it lies between that of one class, if all are mistaken together, and its C-th part, if each for itself;
    1.3 / C of it is what simulations of three grades show (`benchmarks/coverage.py --grades`).
    """
    import numpy as np

    counts = [int(positive.sum()) for _, positive in _list_sides(answers)]
    known = [expect(value, count, len(answers.truth) - count) for count in counts]
    values, variances = zip(*known, strict=True)
    return float(np.mean(values)), float(np.mean(variances)) * min(1.0, SHARED / len(known))
