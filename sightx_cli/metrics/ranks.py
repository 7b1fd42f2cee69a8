"""What a ranking of images is worth: the area under the ROC curve and the average precision, of many resamples at once.

The registry names these figures without computing them, so numpy is imported only where something is measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sightx_cli.metrics.answers import Booleans, Floats

    Weigh = Callable[[Floats, Floats, Booleans], Floats]
    Linearise = Callable[[Floats, Booleans], tuple[float, Floats]]
    Expect = Callable[[float, int, int], tuple[float, float]]


ROUNDING = 1e-6
"""What lies nearer than this to 1 is 1."""


def weigh_area(weights: Floats, scores: Floats, positive: Booleans) -> Floats:
    """The area under the ROC curve of each resample: the share of pairs ranked right, ties counting half.

    `weights` says how often each image occurs in each resample, (R, N). Returns (R,); NaN where a side is empty.
    """
    import numpy as np

    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=-np.inf) > 0)
    in_order = weights[:, order]
    above = np.add.reduceat(in_order * positive[order], starts, axis=1)
    below = np.add.reduceat(in_order * ~positive[order], starts, axis=1)
    lower = np.cumsum(below, axis=1) - below
    pairs = above.sum(axis=1) * below.sum(axis=1)
    won = (above * (lower + below / 2)).sum(axis=1)
    return np.asarray(np.divide(won, pairs, out=np.full(len(weights), np.nan), where=pairs > 0))


def weigh_precision(weights: Floats, scores: Floats, positive: Booleans) -> Floats:
    """The average precision of each resample: the precision at each positive image's rank, averaged.

    As scikit-learn's `average_precision_score`: images with the same score share a rank. `weights` is (R, N); returns
    (R,), NaN without a positive image.
    """
    import numpy as np

    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(-scores[order], prepend=-np.inf) > 0)
    in_order = weights[:, order]
    found = np.add.reduceat(in_order * positive[order], starts, axis=1)
    shown = np.cumsum(np.add.reduceat(in_order, starts, axis=1), axis=1)
    precision = np.divide(np.cumsum(found, axis=1), shown, out=np.zeros_like(shown), where=shown > 0)
    total = found.sum(axis=1)
    return np.asarray(
        np.divide((found * precision).sum(axis=1), total, out=np.full(len(weights), np.nan), where=total > 0)
    )


def linearise_area(scores: Floats, positive: Booleans) -> tuple[float, Floats]:
    """Measure the area under the ROC curve and the contribution of each image to it, (N,), whose sum is 0.

    An image drawn w times moves it by w times its contribution: the share of the other side's images that it is ranked
    right against, less the area, over the images on its own side (DeLong, DeLong & Clarke-Pearson 1988). Both sides
    must have images.
    """
    import numpy as np

    contributions, area = np.zeros(len(positive)), 0.0
    for side, sign in ((positive, 1), (~positive, -1)):
        others = np.sort(scores[~side])
        below = (np.searchsorted(others, scores[side]) + np.searchsorted(others, scores[side], "right")) / 2
        shares = below / len(others) if sign > 0 else 1 - below / len(others)
        area = float(shares.mean())
        contributions[side] = (shares - area) / len(shares)
    return area, contributions


def linearise_precision(scores: Floats, positive: Booleans) -> tuple[float, Floats]:
    """Measure the average precision and the contribution of each image to it, (N,), whose sum is 0.

    A contribution is the derivative of the average precision by how often the image occurs: what a positive image's own
    precision adds, and what any image does to the precision at its own rank and all below it. There must be a positive.
    """
    import numpy as np

    grid, found = np.unique(scores[positive], return_counts=True)
    place = np.searchsorted(grid, scores, side="right")  # how many of the positive images' scores it reaches
    shown = np.cumsum(np.bincount(place, minlength=len(grid) + 1)[::-1])[::-1][1:]
    precision, total = np.cumsum(found[::-1])[::-1] / shown, float(found.sum())
    value = float(found @ precision / total)
    gained = np.concatenate([[0.0], np.cumsum(found / shown)])
    diluted = np.concatenate([[0.0], np.cumsum(found * precision / shown)])
    own = positive * (precision[place - 1] - value + gained[place])
    return value, np.asarray((own - diluted[place]) / total)


def expect_area(value: float, positives: int, negatives: int) -> tuple[float, float]:
    """Expect the variance of an area under the ROC curve from how many images were ranked.

    It is the area between two normal distributions of equal spread (Obuchowski & McClish 1997). The value is drawn
    towards one half, as if one image more had been ranked right and one wrong: where all are ranked right, DeLong's
    variance is 0 and says nothing. Returns the value so drawn, and its variance.
    """
    drawn = _draw_in(value, 4 / (1 / positives + 1 / negatives))
    return drawn, _measure_side(drawn) * (1 / positives + 1 / negatives)


def expect_precision(value: float, positives: int, _: int) -> tuple[float, float]:
    """Expect an average precision, and its variance, from how many positive images it rests on.

    The figure flatters: each positive image counts in the precision at its own rank, which adds about (1 − value) over
    their number. There is no formula for the variance; 1 + 5 / √positives times what one side of an area of the same
    value has is what simulations of 30 to 300 images show (`benchmarks/coverage.py`).

    Returns the value less that, and its variance.
    """
    drawn = _draw_in(value, positives)
    images = positives * drawn * (1 - drawn) / ((1 + 5 / positives**0.5) * _measure_side(drawn))
    honest = min(max(value - (1 - value) / positives, 0.0), 1 - ROUNDING)
    return honest, honest * (1 - honest) / images


def _draw_in(value: float, images: float) -> float:
    return max((value * images + 1) / (images + 2), 0.5)


def _measure_side(area: float) -> float:
    """Measure the variance that one image of a side brings: Φ(d) − 2 T(d, 1/√3) − area², T being Owen's function."""
    from math import sqrt

    from scipy.special import ndtri, owens_t

    return area - 2 * float(owens_t(float(ndtri(area)), 1 / sqrt(3))) - area**2
