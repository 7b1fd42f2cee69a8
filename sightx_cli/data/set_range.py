"""One range for the deep values of a whole set: what is black and white in every image, as brightness may be the sign.

A marker-positive cell, a hot spot, a dense bone are brighter than others in absolute values; a file stretched over its
own range has lost that. So the range is measured once, on a sample of the training images, before any is decoded to 8
bits, and kept with the model. The sample is looked at only where its files' names and headers say more than 8 bits.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import ceil, floor, log10
from typing import TYPE_CHECKING

import numpy as np

from sightx_cli.data.column_file import release_columns
from sightx_cli.data.readers import AS_IS, ImageFileError, Reading, Values, check_image, load_bytes, measure_header
from sightx_cli.data.text_columns import count_texts, find_rows, find_trained
from sightx_cli.machine import measure_threads
from sightx_cli.progress import Listener, Silent
from sightx_cli.recipe.values import EACH_FILE, HOUNSFIELD, WHOLE_SET

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.recipe.parts import ImageInput

TASK = "measuring the range of values"
SAMPLE_IMAGES = 64
"""Files that the range is measured on, spread evenly over the classes; at least one of each of MOST_CLASSES."""
MOST_CLASSES = 256
SAMPLE_PIXELS, LEAST_IMAGES = 64_000_000, 16
"""Of large images so many are looked at as have these pixels together, seconds of work, and never fewer than these."""
OUTSIDE = 0.05
"""The share of a class's files whose own ranges may reach beyond the set's: one saturated file must not set it."""
ROOM = 4.0
"""Unless covering them too makes the range no more than this many times as wide: it costs two of eight bits."""
NEVER_DEEP = frozenset(".jpg .jpeg .jpe .jfif .bmp .dib .gif .webp .pbm".split())  # noqa: SIM905
"""Endings of files that have 8 bits: not even their headers are looked at."""


def read_asked(image: ImageInput) -> Reading:
    """Return what the recipe says of reading, with no range measured."""
    given = image.range if not isinstance(image.range, str) else HOUNSFIELD.get(image.range)
    return Reading(image.page, image.bands, given, by_file=image.range == EACH_FILE)


def measure_reading(frame: pd.DataFrame, image: ImageInput | None = None, listener: Listener | None = None) -> Reading:
    """Return how the pixels of a set are taken: as the recipe says (None: as the table's recipes do), with the range of
    its deep values measured.

    `frame` has the columns path, label and split; the valid and test parts are not looked at. A file that cannot be
    read is passed over: the check of the files reports it.
    """
    asked = read_asked(image) if image is not None else AS_IS
    if image is not None and image.range != WHOLE_SET:
        return asked
    found = measure_sample(sample_files(frame), asked, listener or Silent())
    ranges = []
    for kind in sorted({values.kind for one in found for values in one}):
        by_class = [[values for values in one if values.kind == kind] for one in found]
        ranges.append((kind, *cover([one for one in by_class if one])))
    return replace(asked, ranges=tuple(ranges))


def sample_files(frame: pd.DataFrame) -> list[list[str]]:
    """Choose the files to look at, by class, the same whatever the order of the rows; none that cannot be deep."""
    endings = (os.path.splitext(path)[1].lower() for path in frame["path"])  # noqa: PTH122 - of each image
    is_deep = np.fromiter((ending not in NEVER_DEEP for ending in endings), bool, len(frame))
    is_deep &= find_trained(frame["split"])
    release_columns(and_free=True)
    classes = sorted(count_texts(frame["label"], is_deep))
    each, chosen = max(1, SAMPLE_IMAGES // max(len(classes), 1)), list[list[str]]()
    for place in _spread(len(classes), MOST_CLASSES):
        paths = sorted(frame["path"][is_deep & find_rows(frame["label"], (classes[place],))])
        chosen.append([paths[place] for place in _spread(len(paths), each)])
    return chosen


def measure_sample(classes: Sequence[Sequence[str]], reading: Reading, listener: Listener) -> list[list[Values]]:
    """Read those of the files that are deep, and return the values that they hold, by class."""

    def look(path: str) -> int:
        """Return a deep file's pixels; 0 of another."""
        try:
            width, height, _, bits, _ = measure_header(path, None, reading)
        except ImageFileError:
            return 0
        return width * height if bits > 8 else 0

    def measure(path: str) -> tuple[Values, ...]:
        try:
            values = check_image(path, load_bytes(path), reading).values
        except ImageFileError:
            values = ()
        listener.advance(TASK)
        return values

    with ThreadPoolExecutor(measure_threads().decoding) as pool:
        sizes = [list(pool.map(look, paths)) for paths in classes]
        deep = [
            [path for path, pixels in zip(paths, ones, strict=True) if pixels]
            for paths, ones in zip(classes, sizes, strict=True)
        ]
        pixels = sum(map(sum, sizes))
        if not pixels:
            return []
        share = max(min(1.0, SAMPLE_PIXELS / pixels), LEAST_IMAGES / sum(map(len, deep)))
        chosen = [[paths[place] for place in _spread(len(paths), ceil(share * len(paths)))] for paths in deep]
        listener.start(TASK, sum(map(len, chosen)), "images")
        try:
            found = [list(pool.map(measure, paths)) for paths in chosen]
        finally:
            listener.finish(TASK)
    return [[values for file in one for values in file] for one in found]


def cover(classes: Sequence[Sequence[Values]]) -> tuple[float, float]:
    """Return the range that covers the files' own: each class's, since a rare class may be the bright one.

    A class's few extreme files count only where they widen it little. Rounded outwards, by a hundredth of its width at
    most, so that it reads well and often stays the same where an image is added.
    """
    usual_low = min(float(np.quantile([one.low for one in values], OUTSIDE)) for values in classes)
    usual_high = max(float(np.quantile([one.high for one in values], 1 - OUTSIDE)) for values in classes)
    low = min(one.low for values in classes for one in values)
    high = max(one.high for values in classes for one in values)
    if high - low > ROOM * (usual_high - usual_low) > 0:
        low, high = usual_low, usual_high
    step = 10.0 ** (floor(log10(high - low)) - 2) if high > low else 1.0
    digits = max(0, ceil(-log10(step)))  # so that a tenth stays a tenth
    return round(floor(low / step) * step, digits), round(ceil(high / step) * step, digits)


def _spread(count: int, wanted: int) -> list[int]:
    """Up to `wanted` places, evenly spread over `count`; none of none."""
    return sorted({int(place) for place in np.linspace(0, count - 1, min(count, wanted))})
