"""Values of more than 8 bits scaled to 8: over the set's range, else over the range that the file declares or has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.readers.base import ImageFileError, Range, Reading, Values
from sightx_cli.data.readers.gate import list_bands

PERCENTILES = (0.5, 99.5)
"""What is cut off where a file declares no range: a few dead or saturated pixels must not set the scale."""

SAMPLES = 250_000
"""Values that a percentile is taken of, evenly spread: they fix it to a thousandth of the range, at any size."""
WHOLE_NUMBERS, FRACTIONS = "whole numbers", "fractions"
"""The kinds of deep values: a camera's counts, and what was computed from them, seldom have one unit."""

_TIFF_RANGE_TAGS = ((280, 281), (340, 341))  # MinSampleValue and MaxSampleValue, SMinSampleValue and SMaxSampleValue


def scale_values(
    values: NDArray[Any],
    path: str | Path,
    reading: Reading,
    declared: Range | None = None,
    inverted: bool = False,
    band: int | None = None,
) -> tuple[NDArray[np.uint8], Values]:
    """Scale values (H, W) or (H, W, bands) to 8 bits, all bands alike; also returns the range that they have.

    `declared` is the range that the file declares; `inverted` says that its largest value is black. `band` is the
    number of a band that is no colour of a picture: it has a range of its own. Values that are no number become black.

    Raises: `ImageFileError` where no pixel has a value.
    """
    kind = FRACTIONS if values.dtype.kind == "f" else WHOLE_NUMBERS
    kind += f", band {band}" if band is not None else ""
    own = declared or _measure_range(values, path)
    low, high = reading.find_range(kind) or own
    factor = np.float32(255.0 / (high - low) if high > low else 0.0)
    whole = np.empty(values.shape, np.uint8)
    for top, bottom in list_bands(int(np.prod(values.shape[1:])), len(values)):
        scaled = (values[top:bottom].astype(np.float32) - np.float32(low)) * factor
        levels = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0), 0, 255)
        whole[top:bottom] = ((255 - levels if inverted else levels) + 0.5).astype(np.uint8)
    return whole, Values(kind, *own)


def find_declared(tags: Mapping[int, Any], dtype: np.dtype[Any]) -> Range | None:
    """Return the range that a TIFF declares, unless it is the type's whole range, which says nothing of the data."""
    for low_tag, high_tag in _TIFF_RANGE_TAGS:
        if high_tag not in tags:
            continue
        low, high = (read_number(tags.get(tag, 0)) for tag in (low_tag, high_tag))
        whole = dtype.kind in "iu" and high >= min(np.iinfo(dtype).max, 65535)
        if low < high and not whole:
            return low, high
    return None


def read_number(value: Any) -> float:
    """Read a TIFF's tag as a number, the first of several."""
    return float(value[0] if isinstance(value, tuple) else value)


def _measure_range(values: NDArray[Any], path: str | Path) -> Range:
    step = max(1, int((values.size / SAMPLES) ** 0.5))
    sample = values[::step, ::step]
    sample = sample[np.isfinite(sample)] if values.dtype.kind == "f" else sample.ravel()
    if sample.size == 0:
        raise ImageFileError(path, "holds no finite value (every pixel is NaN or infinite)")
    low, high = (float(value) for value in np.percentile(sample, PERCENTILES))
    if low == high:  # nearly all one value, such as a few marks on black
        low, high = float(sample.min()), float(sample.max())
    return low, high
