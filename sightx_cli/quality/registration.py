"""Tells whether two small grey thumbnails show the same photograph: registers one to the other, then compares windows.

A copy may have been re-encoded, resized, brightened or cropped by a few percent on each side. Then one thumbnail is the
other under a scale and a shift per axis, and a gain and an offset of its grey values. These six numbers are found by
Gauss-Newton steps (Lucas and Kanade 1981; gain and offset as in Evangelidis and Psarakis 2008), coarse to fine. Then
small windows all over the thumbnail must agree: correlating whole thumbnails is not enough, since two retinas, or two
chests, agree in all but the small structure.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.features.examination import SIDE_PX
from sightx_cli.machine import measure_threads

Pictures = NDArray[np.float32]

LEVELS_PX = (16, 32, SIDE_PX)
"""Sides of the pyramid. At 16 px a crop of 8 % moves the border by little more than a pixel, which the steps reach."""
STEPS = (6, 4, 3)
"""Gauss-Newton steps per level."""
LARGEST_SCALE, LARGEST_SHIFT = 1.3, 0.25
"""Beyond these (shift in half widths) it is not a slight crop: 8 % off each side is a scale of 1.19."""
STARTS = (1.0, 1.15, 1 / 1.15)
"""Starting scales: the thumbnails as they are, and either one a crop of the other by 7 % on each side."""
COARSE_AGREEMENT = (0.8, 0.9, 0.9)
"""Pairs whose whole thumbnails correlate less after registration on a level are dropped."""
LEAST_AGREEMENT = 0.5
"""So are those whose windows agree less than this on the second level: copies reach 0.9 there."""
WINDOW_PX = 8
"""Side of the windows on the largest level; they overlap by half."""
FLAT = 2.0
"""Windows with a smaller standard deviation, in grey levels, in both thumbnails are ignored."""
BLUR = 0.5
"""Standard deviation of the Gaussian that matches the sharpness of a small image, in its pixels."""
LEAST_WINDOWS = 8
"""Windows with structure needed to call anything a copy."""
BATCH_PAIRS = 128


def measure_agreement(
    pictures: NDArray[np.uint8],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    sides: NDArray[np.int64],
    advance: Callable[[int], None] | None = None,
) -> Pictures:
    """Return how well pairs of thumbnails agree, (P,) in −1 … 1, after registration.

    `pictures` are (N, SIDE_PX, SIDE_PX) uint8, `sides` (N,) the shorter side in pixels of the image that each was made
    from; `left` and `right` (P,) are the indices of each pair. It is the lower quartile of the correlations of all
    windows with structure; −1 if the thumbnails cannot be registered. Detail that the smaller image of a pair cannot
    show is blurred away in both. `advance` hears how many more pairs are done.
    """
    if not len(left):
        return np.empty(0, np.float32)

    def measure(batch: slice) -> Pictures:
        found = _measure_batch(pictures, left[batch], right[batch], sides)
        if advance is not None:
            advance(len(found))
        return found

    batches = [slice(start, start + BATCH_PAIRS) for start in range(0, len(left), BATCH_PAIRS)]
    with ThreadPoolExecutor(measure_threads().inference) as pool:
        return np.concatenate(list(pool.map(measure, batches)))


def _measure_batch(
    pictures: NDArray[np.uint8], left: NDArray[np.int64], right: NDArray[np.int64], sides: NDArray[np.int64]
) -> Pictures:
    smaller = np.minimum(sides[left], sides[right])
    fixed, moving = (_blur(pictures[places].astype(np.float32), smaller) for places in (left, right))
    agreement = np.full(len(left), -1.0, np.float32)
    going, placing = (
        np.arange(len(left)),
        _start(shrink_pictures(fixed, LEVELS_PX[0]), shrink_pictures(moving, LEVELS_PX[0])),
    )
    for side, steps, least in zip(LEVELS_PX, STEPS, COARSE_AGREEMENT, strict=True):
        a, b = shrink_pictures(fixed[going], side), shrink_pictures(moving[going], side)
        found = placing[going]
        for _ in range(steps):
            found = _step(a, b, found)
        warped, inside = _warp(b, found)
        close = _is_slight(found) & (_correlate(a, warped, inside) >= least)
        placing[going] = found
        going, a, warped, inside = going[close], a[close], warped[close], inside[close]
        if side > LEVELS_PX[0] and len(going):
            found = _compare_windows(a, warped, inside, side * WINDOW_PX // SIDE_PX)
            if side == SIDE_PX:
                agreement[going] = found
            going = going[found >= LEAST_AGREEMENT]
        if not len(going):
            break
    return agreement


def _start(fixed: Pictures, moving: Pictures) -> Pictures:
    """Return the placing to start from, (P, 4): scale and shift of x, then of y; the best of STARTS after two steps."""
    best = np.full(len(fixed), -2.0, np.float32)
    result = np.tile(np.array([1, 0, 1, 0], np.float32), (len(fixed), 1))
    for scale in STARTS:
        placing = np.tile(np.array([scale, 0, scale, 0], np.float32), (len(fixed), 1))
        for _ in range(2):
            placing = _step(fixed, moving, placing)
        agreement = np.where(_is_slight(placing), _correlate(fixed, *_warp(moving, placing)), -1)
        better = agreement > best
        result[better], best[better] = placing[better], agreement[better]
    return result


def _is_slight(placing: Pictures) -> NDArray[np.bool_]:
    """Tell which placings correspond to a slight crop."""
    scale, shift = np.abs(np.log(placing[:, ::2])).max(1), np.abs(placing[:, 1::2]).max(1)
    return (scale < np.log(LARGEST_SCALE)) & (shift < LARGEST_SHIFT)  # type: ignore[no-any-return]


def shrink_pictures(pictures: NDArray[Any], side: int) -> Pictures:
    """Average blocks of pixels down to `side`: (N, side, side) float32."""
    return _average(pictures, pictures.shape[1] // side, pictures.shape[1] // side)


def _average(pictures: NDArray[Any], window: int, stride: int) -> Pictures:
    """Average the pixels of square windows: (N, W, W). Two matrix products, several times faster than summing."""
    starts = np.arange(0, pictures.shape[1] - window + 1, stride)
    place = np.arange(pictures.shape[1]) - starts[:, None]
    weights = ((place >= 0) & (place < window)).astype(np.float32) / window
    rows = pictures.astype(np.float32, copy=False) @ weights.T
    return np.asarray(weights @ rows, np.float32)


def _blur(pictures: Pictures, sides: NDArray[np.int64]) -> Pictures:
    """Blur pictures (P, S, S) of images with fewer pixels by a Gaussian of BLUR such pixels."""
    small = np.flatnonzero(sides < pictures.shape[1])
    if not len(small):
        return pictures
    side = pictures.shape[1]
    spread = (BLUR * side / sides[small].clip(1)).astype(np.float32)[:, None, None]
    steps = np.arange(side, dtype=np.float32)
    weights = np.exp(-(((steps[:, None] - steps) / spread) ** 2) / 2)
    weights /= weights.sum(2, keepdims=True)
    result = pictures.copy()
    result[small] = weights @ pictures[small] @ weights.transpose(0, 2, 1)
    return result


def crop_pictures(pictures: Pictures, share: float) -> Pictures:
    """Crop a share off each side of pictures (N, S, S) and resize the rest to the original size."""
    if not share:
        return pictures
    scale = np.array([[1 - 2 * share, 0, 1 - 2 * share, 0]], np.float32)
    return _warp(pictures, scale)[0]


def _warp(pictures: Pictures, placing: Pictures) -> tuple[Pictures, Pictures]:
    """Sample each picture at scale · u + shift per axis, u from −1 to 1; return it, and where it is inside (1 or 0)."""
    side = pictures.shape[1]
    centres = ((2 * np.arange(side) + 1) / side - 1).astype(np.float32)
    weights, inside = [], []
    for axis in (0, 2):
        at = placing[:, axis, None] * centres + placing[:, axis + 1, None]
        places = ((at + 1) * side - 1) / 2
        weights.append(_interpolate(places, side))
        inside.append((np.abs(at) <= 1).astype(np.float32))
    wide, high = weights
    warped: Pictures = np.asarray(high @ pictures @ wide.transpose(0, 2, 1), np.float32)
    return warped, inside[1][:, :, None] * inside[0][:, None, :]


def _interpolate(places: Pictures, side: int) -> Pictures:
    """Return the weights (P, S, S) that sample S positions of a row by cubic convolution (Keys 1981, a = −1/2)."""
    distance = np.abs(np.clip(places, 0, side - 1)[:, :, None] - np.arange(side, dtype=np.float32))
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((2.5 - 0.5 * distance) * distance - 4) * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0)).astype(np.float32)
    return weights / weights.sum(2, keepdims=True)  # type: ignore[no-any-return]


def _step(fixed: Pictures, moving: Pictures, placing: Pictures) -> Pictures:
    """Take one Gauss-Newton step towards fixed ≈ gain · moving(scale · u + shift) + offset."""
    side = fixed.shape[1]
    warped, inside = _warp(moving, placing)
    down, across = np.gradient(warped, 2 / side, axis=(1, 2))
    centres = ((2 * np.arange(side) + 1) / side - 1).astype(np.float32)
    columns = np.stack(
        [across * centres, across, down * centres[:, None], down, warped, np.ones_like(warped)], axis=1
    ).reshape(len(fixed), 6, -1)
    weighted = columns * inside.reshape(len(fixed), 1, -1)
    normal = weighted @ columns.transpose(0, 2, 1)
    normal += 1e-3 * np.einsum("pii->p", normal)[:, None, None] / 6 * np.eye(6, dtype=np.float32)
    wanted = weighted @ fixed.reshape(len(fixed), -1, 1)
    found = np.linalg.solve(normal, wanted)[:, :, 0]
    gain = np.where(np.abs(found[:, 4]) < 0.2, 0.2, found[:, 4])
    moves = np.clip(found[:, :4] / gain[:, None], -0.15, 0.15)
    result = placing.copy()
    for axis in (0, 2):
        result[:, axis] = placing[:, axis] * (1 + moves[:, axis])
        result[:, axis + 1] = placing[:, axis + 1] + placing[:, axis] * moves[:, axis + 1]
    result[:, ::2] = np.clip(result[:, ::2], 0.5, 2)
    result[:, 1::2] = np.clip(result[:, 1::2], -0.5, 0.5)
    return result


def _correlate(a: Pictures, b: Pictures, inside: Pictures) -> Pictures:
    """Correlate whole pictures where both are inside: (P,)."""
    seen = inside.sum((1, 2)).clip(1)
    a = (a - ((a * inside).sum((1, 2)) / seen)[:, None, None]) * inside
    b = (b - ((b * inside).sum((1, 2)) / seen)[:, None, None]) * inside
    size = np.sqrt((a * a).sum((1, 2)) * (b * b).sum((1, 2)))
    return (a * b).sum((1, 2)) / size.clip(1e-6)  # type: ignore[no-any-return]


def _compare_windows(a: Pictures, b: Pictures, inside: Pictures, window: int) -> Pictures:
    """Return the lower quartile of the windows' correlations, (P,); −1 if too few windows have structure."""

    def average(pictures: Pictures) -> Pictures:
        return _average(pictures, window, window // 2).reshape(len(pictures), -1)

    mean_a, mean_b = average(a), average(b)
    spread_a = np.sqrt((average(a * a) - mean_a**2).clip(0))
    spread_b = np.sqrt((average(b * b) - mean_b**2).clip(0))
    telling = (average(inside) > 0.999) & (np.maximum(spread_a, spread_b) >= FLAT)
    correlation = (average(a * b) - mean_a * mean_b) / (spread_a * spread_b).clip(1e-6)
    ranked = np.sort(np.where(telling, correlation, np.inf), axis=1)
    count = telling.sum(1)
    quartile = np.take_along_axis(ranked, (count // 4)[:, None], 1)[:, 0]
    return np.where(count >= LEAST_WINDOWS, quartile, -1).astype(np.float32)
