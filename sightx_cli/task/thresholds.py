"""From which probability an image is given a label, where it may have several.

The threshold where F1 is highest on a validation part is best for that part and not for the next images: with few of
them it follows chance. So it is only approached, the nearer the more images speak for it. Measured on solar cells (is
it defective?), linear heads trained on 200 of them and judged on 900 others, ten times each: with a validation part of
50, of which 16 are defective, F1 is 0.666 at one half, 0.644 at the best threshold and 0.667 halfway; with 100, 0.675,
0.668 and 0.676; where only 9 % are defective and 50 validate, 0.410, 0.381 and 0.425.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_THRESHOLD = 0.5
HALFWAY_IMAGES = 20
"""With so many images on the rarer side, those with the label or those without it, the threshold is halfway."""


def choose_threshold(scores: NDArray[Any], has: NDArray[np.int64]) -> float:
    """Choose a label's threshold from probabilities (N,) of images that have it (1) or not (0).

    It goes from one half towards where F1 is highest by n / (n + HALFWAY_IMAGES) of the way, n being the images on the
    rarer side: one half where no image has the label, or all have it.
    """
    rarer = min(int(has.sum()), int(len(has) - has.sum()))
    best = find_best_threshold(scores, has) if rarer else DEFAULT_THRESHOLD
    return DEFAULT_THRESHOLD + (best - DEFAULT_THRESHOLD) * rarer / (rarer + HALFWAY_IMAGES)


def find_best_threshold(scores: NDArray[Any], has: NDArray[np.int64]) -> float:
    """Find the threshold with the highest F1, midway between the two probabilities that it parts.

    Of several the nearest to one half; one half where all probabilities are the same.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    ends = np.flatnonzero(np.diff(ranked) < 0)  # the last image of each probability but the lowest
    if not len(ends):
        return DEFAULT_THRESHOLD
    f1 = 2 * np.cumsum(has[order])[ends] / (ends + 1 + has.sum())
    edges = (ranked[ends] + ranked[ends + 1]) / 2
    best = edges[f1 >= f1.max() - 1e-12]
    return float(best[np.abs(best - DEFAULT_THRESHOLD).argmin()])
