"""From which probability an image is given a label, where it may have several."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

DEFAULT_THRESHOLD = 0.5
FEWEST = 10
"""With fewer images with a label, or without it, a threshold says more of those images than of the label."""


def choose_threshold(scores: NDArray[Any], has: NDArray[np.int64]) -> float:
    """Choose a label's threshold from probabilities (N,) of images that have it or not: where F1 is highest.

    It lies midway between the two probabilities that it parts; of several with the same F1 the nearest to one half is
    taken. One half where fewer than FEWEST images have the label, or lack it.
    """
    positives = int(has.sum())
    if min(positives, len(has) - positives) < FEWEST:
        return DEFAULT_THRESHOLD
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    ends = np.flatnonzero(np.diff(ranked) < 0)  # the last image of each probability but the lowest
    found = np.cumsum(has[order])[ends]
    f1 = 2 * found / (ends + 1 + positives)
    edges = (ranked[ends] + ranked[ends + 1]) / 2
    best = np.flatnonzero(f1 >= f1.max(initial=0.0) - 1e-12)
    return float(edges[best][np.abs(edges[best] - DEFAULT_THRESHOLD).argmin()]) if len(best) else DEFAULT_THRESHOLD
