"""The nearest neighbours of every image by their features, in bounded memory and in less than quadratic time.

Up to EXACT_IMAGES every pair is compared, block by block. Beyond that, the images are divided into about 2 √N cells
around k-means centres, and each is compared only with those in its nearest cells (an inverted file: Jégou et al. 2011,
doi 10.1109/TPAMI.2010.57): time grows with N √N, memory with N. A near copy is so close to its original that one of
the nearest cells contains it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]

DIRECTIONS = 256
"""Principal directions of the features used: the rest changes a cosine by a few hundredths."""
SAMPLE_IMAGES = 20_000
"""The directions and the cells' centres are computed from at most this many images."""
EXACT_IMAGES = 8192
BLOCK_IMAGES = 2048
"""Rows compared at once: a block of similarities takes at most 64 MB."""
NEAREST_CELLS = 6
"""Cells searched for each image; `benchmarks/many.py` has the share of neighbours found in 25,000 CIFAR-10 images."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest images of each, nearest first: indices (N, K), −1 if there are fewer; cosines (N, K), then −1."""

    places: NDArray[np.int64]
    similarities: Rows


def reduce_features(features: Rows, about_mean: bool = True, seed: int = 0) -> Rows:
    """Project features (N, F) on at most DIRECTIONS principal directions, each row of length 1.

    About their mean, what all images share is removed and what remains tells them apart: this finds near
    copies. Without centring, an image of another kind is far from all others: this finds outliers.
    """
    rows = np.random.default_rng(seed).permutation(len(features))[:SAMPLE_IMAGES]
    mean = features[rows].mean(0, dtype=np.float64).astype(np.float32) * np.float32(about_mean)
    if features.shape[1] > DIRECTIONS:
        directions = find_directions(features[rows] - mean, DIRECTIONS, seed)
    else:
        directions = np.eye(features.shape[1], dtype=np.float32)
    reduced = np.empty((len(features), directions.shape[1]), np.float32)
    for start in range(0, len(features), BLOCK_IMAGES):
        block = (features[start : start + BLOCK_IMAGES] - mean) @ directions
        reduced[start : start + BLOCK_IMAGES] = block / np.linalg.norm(block, axis=1, keepdims=True).clip(1e-6)
    return reduced


def find_directions(sample: Rows, count: int, seed: int = 0) -> Rows:
    """Find the `count` principal directions of a sample (N, F) about zero: (F, count), fewer where it has fewer rows.

    Uses random projections (Halko et al. 2011), in a tenth of the time for all directions.
    """
    from sklearn.utils.extmath import randomized_svd

    count = min(count, *sample.shape)
    how = {"n_oversamples": 32, "n_iter": 1, "power_iteration_normalizer": "QR"}
    _, _, directions = randomized_svd(sample, count, random_state=seed, **how)
    return directions.T.astype(np.float32)  # type: ignore[no-any-return]


def find_neighbours(rows: Rows, count: int = 10, queries: Rows | None = None, seed: int = 0) -> Neighbours:
    """Find the `count` rows, each of length 1, that are nearest to each query by cosine, excluding the row itself.

    Without `queries`, the rows themselves are the queries.
    """
    asking_rows = rows if queries is None else queries
    best = _Best(asking_rows, rows, min(count, max(len(rows) - 1, 0)))
    everything = np.arange(len(rows))
    if len(rows) <= EXACT_IMAGES:
        best.compare(everything, everything)
        return best.sort()
    centres = _find_centres(rows, seed)
    cells = _choose_cells(rows, centres, 1)[:, 0]
    nearest = _choose_cells(asking_rows, centres, NEAREST_CELLS)
    members, asking = _group(cells, len(centres)), _group(nearest.ravel(), len(centres))
    for those, here in zip(asking, members, strict=True):
        best.compare(those // nearest.shape[1], here)
    return best.sort()


def _group(cells: NDArray[np.int64], count: int) -> list[NDArray[np.int64]]:
    """Return the indices in each of `count` cells."""
    order = np.argsort(cells, kind="stable")
    return np.split(order, np.searchsorted(cells[order], np.arange(1, count)))


def _find_centres(rows: Rows, seed: int) -> Rows:
    """Return the centres of about 2 √N cells, by k-means on a sample."""
    from sklearn.cluster import MiniBatchKMeans

    count = int(2 * np.sqrt(len(rows)))
    sample = np.random.default_rng(seed).permutation(len(rows))[:SAMPLE_IMAGES]
    model = MiniBatchKMeans(count, random_state=seed, n_init=1, max_iter=5, batch_size=4096, init="random")
    return model.fit(rows[sample]).cluster_centers_.astype(np.float32)  # type: ignore[no-any-return]


def _choose_cells(rows: Rows, centres: Rows, count: int) -> NDArray[np.int64]:
    """Return the nearest cells of each row, (N, count)."""
    half = (centres * centres).sum(1) / 2
    nearest = np.empty((len(rows), min(count, len(centres))), np.int64)
    for start in range(0, len(rows), BLOCK_IMAGES):
        closeness = rows[start : start + BLOCK_IMAGES] @ centres.T - half
        nearest[start : start + BLOCK_IMAGES] = _find_best(closeness, nearest.shape[1])
    return nearest


def _find_best(values: Rows, count: int) -> NDArray[np.int64]:
    """Return the columns of the `count` largest values of each row, in any order."""
    if values.shape[1] <= count:
        return np.tile(np.arange(values.shape[1]), (len(values), 1))
    return np.argpartition(-values, count - 1, axis=1)[:, :count]


class _Best:
    """The best matches of each query so far."""

    def __init__(self, queries: Rows, rows: Rows, count: int) -> None:
        self._queries, self._rows, self._count = queries, rows, count
        self._places = np.full((len(queries), count), -1, np.int64)
        self._similarities = np.full((len(queries), count), -2, np.float32)

    def compare(self, queries: NDArray[np.int64], members: NDArray[np.int64]) -> None:
        """Compare queries with the members of a cell, a block at a time, and keep the best."""
        for start in range(0, len(queries) if self._count else 0, BLOCK_IMAGES):
            asking = queries[start : start + BLOCK_IMAGES]
            for first in range(0, len(members), EXACT_IMAGES):
                others = members[first : first + EXACT_IMAGES]
                similar = self._queries[asking] @ self._rows[others].T
                similar[asking[:, None] == others[None, :]] = -2.0  # itself
                top = _find_best(similar, self._count)
                similar = np.concatenate([self._similarities[asking], np.take_along_axis(similar, top, 1)], 1)
                found = np.concatenate([self._places[asking], others[top]], 1)
                top = _find_best(similar, self._count)
                self._similarities[asking] = np.take_along_axis(similar, top, 1)
                self._places[asking] = np.take_along_axis(found, top, 1)

    def sort(self) -> Neighbours:
        """Return the best, nearest first."""
        order = np.argsort(-self._similarities, axis=1, kind="stable")
        places = np.take_along_axis(self._places, order, 1)
        similarities = np.take_along_axis(self._similarities, order, 1)
        places[similarities < -1.5] = -1
        return Neighbours(places, similarities.clip(-1, 1))
