"""Grey deeper than 8 bits, scaled to 8 bits over the range that the file declares or its pixels have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sightx_cli.data.readers.base import ImageFileError, Range, Reading, Values
from sightx_cli.data.readers.gate import list_bands

GREY_PERCENTILES = (0.5, 99.5)
"""Where deep grey is cut when the file declares no range: a few dead or saturated pixels must not set the scale."""

WHOLE_NUMBERS, FRACTIONS = "whole numbers", "fractions"
"""The kinds of deep values: a camera's counts and what was computed from them seldom have one unit."""

_TIFF_PHOTOMETRIC, _TIFF_WHITE_IS_ZERO = 262, 0
_TIFF_RANGE_TAGS = ((280, 281), (340, 341))  # MinSampleValue and MaxSampleValue, SMinSampleValue and SMaxSampleValue


def scale_deep_grey(image: Image.Image, path: str | Path, reading: Reading) -> tuple[Image.Image, Values]:
    """Scale grey of 16 or 32 bits, or float, to 8 bits over the set's range, else over its own, declared or measured.

    Returns the grey image, and the range that its values have. Raises: `ImageFileError` where no pixel has a value.
    """
    values = np.asarray(image)
    if values.ndim != 2 or values.size == 0:
        raise ImageFileError(path, f"is damaged: grey pixels of shape {values.shape}")
    kind = FRACTIONS if values.dtype.kind == "f" else WHOLE_NUMBERS
    own = _declared_range(image, values.dtype) or _measured_range(values, path)
    low, high = reading.find_range(kind) or own
    tags = getattr(image, "tag_v2", {})
    # Pillow inverts an 8-bit WhiteIsZero TIFF but not a 16-bit one.
    inverted = values.dtype.kind == "u" and tags.get(_TIFF_PHOTOMETRIC) == _TIFF_WHITE_IS_ZERO
    factor = np.float32(255.0 / (high - low) if high > low else 0.0)
    whole = np.empty(values.shape, np.uint8)
    for top, bottom in list_bands(*image.size):
        scaled = (values[top:bottom].astype(np.float32) - np.float32(low)) * factor
        levels = np.clip(np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0), 0, 255)
        whole[top:bottom] = ((255 - levels if inverted else levels) + 0.5).astype(np.uint8)
    return Image.fromarray(whole), Values(kind, *own)


def _declared_range(image: Image.Image, dtype: np.dtype[Any]) -> Range | None:
    """The range a TIFF declares, unless it is the type's whole range, which says nothing about the data."""
    tags = getattr(image, "tag_v2", None)
    if tags is None:
        return None
    for low_tag, high_tag in _TIFF_RANGE_TAGS:
        if high_tag not in tags:
            continue
        low, high = (read_number(tags.get(tag, 0)) for tag in (low_tag, high_tag))
        whole = dtype.kind in "iu" and high >= min(np.iinfo(dtype).max, 65535)
        if low is not None and high is not None and low < high and not whole:
            return low, high
    return None


def read_number(value: Any) -> float:
    """Read a TIFF's tag as a number, the first of several."""
    return float(value[0] if isinstance(value, tuple) else value)


def _measured_range(values: np.ndarray[Any, Any], path: str | Path) -> Range:
    step = max(1, int((values.size / 1_000_000) ** 0.5))  # a million samples fix a percentile; large images stay fast
    sample = values[::step, ::step]
    sample = sample[np.isfinite(sample)] if values.dtype.kind == "f" else sample.ravel()
    if sample.size == 0:
        raise ImageFileError(path, "holds no finite value (every pixel is NaN or infinite)")
    low, high = (float(value) for value in np.percentile(sample, GREY_PERCENTILES))
    if low == high:  # nearly all one value, such as a few marks on black
        low, high = float(sample.min()), float(sample.max())
    return low, high
