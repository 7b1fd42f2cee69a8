"""Finds images that appear in a data set more than once: the same bytes, the same pixels, or the same photograph.

Candidates for the last are near neighbours among the features; the pixels decide (`quality.registration`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sightx_cli.features.examination import Examination
from sightx_cli.progress import Listener
from sightx_cli.quality.neighbours import Neighbours, find_neighbours
from sightx_cli.quality.registration import crop_pictures, measure_agreement, shrink_pictures

Kind = Literal["bytes", "pixels", "near"]

CANDIDATES, LEAST_SIMILARITY = 2, 0.45
"""Nearest neighbours considered for each image among the features, and the least cosine about the mean."""
PICTURE_CANDIDATES, LEAST_LIKENESS = 3, 0.85
"""Nearest neighbours considered for each thumbnail, and the least cosine; planted copies with equal crops have 0.94."""
CROPS = (0.0, 0.05, 0.08)
"""Shares cropped off each side of a thumbnail before the search: the features of a grey X-ray change
more with a 5 % crop than between two children, but a thumbnail with the same crop finds the copy."""
LIKENESS_SIDE_PX, LIKENESS_DIRECTIONS = 16, 64
COMPARING = "comparing the images"
"""The task as the user sees it."""

BLOCK_IMAGES = 4096
COPY_AGREEMENT = 0.9
"""The agreement of pixels from which a pair is a copy. Planted copies reach 0.97 and more; other pairs at most 0.45
among photographs, 0.78 among retinas, 0.82 among chest X-rays."""


@dataclass(frozen=True)
class Duplicate:
    """Images that are the same: their indices in natural order, and the weakest kind of match that joins them."""

    places: tuple[int, ...]
    kind: Kind


def find_twins(digests: Sequence[str], pixel_digests: Sequence[str]) -> NDArray[np.int64]:
    """Return for each image the first with the same bytes or pixels; its own index if there is no other."""
    first: dict[str, int] = {}
    return np.array(
        [
            first.setdefault(f"pixels {pixels}", first.setdefault(f"bytes {digest}", place))
            for place, (digest, pixels) in enumerate(zip(digests, pixel_digests, strict=True))
        ],
        dtype=np.int64,
    )


def find_duplicates(
    examination: Examination, twins: NDArray[np.int64], neighbours: Neighbours, listener: Listener | None = None
) -> tuple[Duplicate, ...]:
    """Find all groups of duplicates; the listener hears of the pairs that are compared.

    `twins` is the result of `find_twins`; `neighbours` has one row for each of its distinct values, in order.
    """
    alone = np.unique(twins)
    sides = np.array([min(width, height) for width, height, *_ in examination.headers])
    near = confirm_pairs(examination.pictures[alone], sides[alone], neighbours, listener)
    joined = _join(len(alone), near)
    groups: dict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(np.searchsorted(alone, twins)):
        groups[joined[row]].append(place)
    found = []
    for places in groups.values():
        if len(places) > 1:
            found.append(Duplicate(tuple(places), _name_kind(examination, twins, places)))
    return tuple(sorted(found, key=lambda duplicate: duplicate.places))


def confirm_pairs(
    pictures: NDArray[np.uint8], sides: NDArray[np.int64], neighbours: Neighbours, listener: Listener | None = None
) -> NDArray[np.int64]:
    """Return the pairs (P, 2) of near neighbours whose thumbnails agree as well as those of copies.

    `sides` are the images' shorter sides in pixels. Neighbours are those given, of the features, and those among the
    small pictures themselves.
    """
    pairs = [_list_pairs(neighbours, CANDIDATES, LEAST_SIMILARITY)]
    rows = describe_pictures(pictures, CROPS)
    for cropped in rows:
        found = find_neighbours(rows[0], PICTURE_CANDIDATES, cropped)
        pairs.append(_list_pairs(found, PICTURE_CANDIDATES, LEAST_LIKENESS))
    candidates = np.unique(np.concatenate(pairs), axis=0)
    advance = None
    if listener is not None:
        listener.start(COMPARING, len(candidates), "pairs")
        advance = partial(listener.advance, COMPARING)
    agreement = measure_agreement(pictures, candidates[:, 0], candidates[:, 1], sides, advance)
    return candidates[agreement >= COPY_AGREEMENT]


def describe_pictures(pictures: NDArray[np.uint8], crops: Sequence[float]) -> list[NDArray[np.float32]]:
    """Describe thumbnails, cropped by each share in `crops`, for a search by cosine: rows (N, D) of length 1.

    They are projections on the principal directions at LIKENESS_SIDE_PX, with the dominant ones down-weighted.
    """
    blocks = [pictures[start : start + BLOCK_IMAGES] for start in range(0, len(pictures), BLOCK_IMAGES)]
    whole = np.concatenate([_list_greys(block, 0) for block in blocks])
    middle = whole.mean(0)
    spread, directions = np.linalg.eigh((whole - middle).T @ (whole - middle) / len(whole))
    spread, directions = spread[::-1][:LIKENESS_DIRECTIONS], directions[:, ::-1][:, :LIKENESS_DIRECTIONS]
    weights = (directions / (spread + 1e-4 * spread[0] + 1e-9) ** 0.25).astype(np.float32)
    rows = []
    for crop in crops:
        row = np.concatenate([(_list_greys(block, crop) - middle) @ weights for block in blocks])
        rows.append((row / np.linalg.norm(row, axis=1, keepdims=True).clip(1e-6)).astype(np.float32))
    return rows


def _list_greys(pictures: NDArray[np.uint8], crop: float) -> NDArray[np.float32]:
    """Crop and shrink thumbnails to LIKENESS_SIDE_PX: rows of greys, mean 0 and deviation 1; flat ones stay small."""
    small = crop_pictures(shrink_pictures(pictures, 2 * LIKENESS_SIDE_PX), crop)
    rows = shrink_pictures(small, LIKENESS_SIDE_PX).reshape(len(small), -1)
    return (rows - rows.mean(1, keepdims=True)) / (rows.std(1, keepdims=True) + 1)  # type: ignore[no-any-return]


def _list_pairs(neighbours: Neighbours, count: int, least: float) -> NDArray[np.int64]:
    """List pairs of each image and its neighbours with at least this cosine: (P, 2), the smaller index first."""
    right = neighbours.places[:, :count]
    left = np.broadcast_to(np.arange(len(right))[:, None], right.shape)
    close = (neighbours.similarities[:, :count] >= least) & (right >= 0)
    return np.stack([np.minimum(left, right)[close], np.maximum(left, right)[close]], 1)


def _join(count: int, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the connected components of a graph of `count` nodes."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1]  # type: ignore[no-any-return]


def _name_kind(examination: Examination, twins: NDArray[np.int64], places: Sequence[int]) -> Kind:
    if len({examination.digests[place] for place in places}) == 1:
        return "bytes"
    return "pixels" if len(set(twins[list(places)].tolist())) == 1 else "near"
