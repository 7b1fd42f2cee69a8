"""Finds images that lie far from all others by their features, such as a photograph among scans."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sightx_cli.quality.neighbours import Neighbours

NEIGHBOUR = 10
"""The distance to this neighbour counts, so up to nine outliers of the same kind are still found."""
LEAST_IMAGES = 30
"""With fewer images nothing is reported."""
SPREADS = 6.0
"""How many robust standard deviations (1.4826 × the median absolute deviation of the log distances) above the
median count as far. Photographs among chest X-rays and retinas: 7.8 and more; the farthest of 5,998 X-rays 5.1, of
413 retinas 4.2, of 396 varied photographs of insects 3.1."""
LEAST_DISTANCE = 1e-3
"""Smaller distances, as 1 − cosine, count as zero."""


def measure_remoteness(neighbours: Neighbours) -> NDArray[np.float32]:
    """Return how far each image is from its neighbours, (N,), in robust standard deviations from the median.

    The neighbours must come from `reduce_features(features, about_mean=False)`.
    """
    distance = 1 - neighbours.similarities[:, min(NEIGHBOUR, neighbours.similarities.shape[1]) - 1]
    size = np.log(distance.clip(0) + LEAST_DISTANCE)
    middle = np.median(size)
    spread = 1.4826 * np.median(np.abs(size - middle))
    return ((size - middle) / max(float(spread), 1e-3)).astype(np.float32)  # type: ignore[no-any-return]


def find_outliers(neighbours: Neighbours) -> list[tuple[int, float]]:
    """Return the indices of images far from all others with their remoteness, the farthest first."""
    if len(neighbours.places) < LEAST_IMAGES:
        return []
    remote = measure_remoteness(neighbours)
    order = np.argsort(-remote)
    return [(int(place), float(remote[place])) for place in order if remote[place] > SPREADS]
