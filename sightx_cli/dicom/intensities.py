"""From stored values to 8 bits, in DICOM's order: modality, window, inversion (PS3.3 C.11, PS3.4 N.2).

pydicom's own functions are called on each different value once, since an image of 16 bits has far fewer of them than
pixels; they give what they would give for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

HOUNSFIELD_UNITS = "Hounsfield units"
"""The kind of CT's values after its modality rule."""

TABLE = "a table of its own"
"""What a file has instead of a window, in words."""

_SHALLOW_BITS = 8
_FAR = 1e30
"""A value beyond any window."""

PERCENTILES = (0.5, 99.5)
"""Where a frame's own range is cut: a few dead or saturated pixels must not set the scale."""

STRIP_VALUES = 2_000_000
"""Values that are converted at a time: conversions hold some 20 bytes for each."""

Floats = NDArray[np.float64]
Range = tuple[float, float]
"""The value that becomes black, and the value that becomes white."""


@dataclass(frozen=True)
class Grey:
    """What became of a grey frame."""

    levels: NDArray[np.uint8]
    """(H, W)."""
    values: tuple[str, Range] | None
    """What its deep values are counted in, and the range that they have; None where the file's own window or its 8 bits
    say what is black and white."""
    window: str
    """The file's own window that was used, in words; "" for none."""


@dataclass(frozen=True)
class Asked:
    """What of a range is known beforehand."""

    range: Range | None = None
    """What the user asked for; it goes before the file's own window."""
    find_range: Callable[[str], Range | None] = lambda _: None
    """Gives the range of a whole set by what its values are counted in; None where each file is by its own."""


def scale_grey(stored: NDArray[Any], tags: Dataset, bits: int, asked: Asked) -> Grey:
    """Scale a frame's stored values (H, W) to 8 bits; `tags` are those that hold for the frame.

    The range asked for goes first, then the file's own window or table, then 8 bits as they are, then the set's range,
    then the frame's own (percentiles, without padding). Level = 255 × (value − black) ÷ (white − black), rounded half
    up; MONOCHROME1 is inverted at last.

    Raises ValueError where no pixel has a value.
    """
    if stored.dtype.kind in "iu" and stored.dtype.itemsize <= 2:
        codes = stored.view(f"u{stored.dtype.itemsize}")
        counts = _count_codes(codes)
        present = np.flatnonzero(counts).astype(codes.dtype)
        rule = _choose_rule(present.view(stored.dtype), counts[present], tags, bits, asked)
        table = np.zeros(len(counts), np.uint8)
        table[present] = rule.level(present.view(stored.dtype))
        levels = np.empty(stored.shape, np.uint8)
        for top, bottom in list_strips(stored):
            levels[top:bottom] = table[codes[top:bottom]]
        return Grey(levels, rule.values, rule.window)
    step = max(1, int((stored.size / 1_000_000) ** 0.5))
    rule = _choose_rule(stored[::step, ::step].ravel(), None, tags, bits, asked)
    levels = np.empty(stored.shape, np.uint8)
    for top, bottom in list_strips(stored):
        levels[top:bottom] = rule.level(stored[top:bottom])
    return Grey(levels, rule.values, rule.window)


def find_window(tags: Dataset) -> str:
    """Return the file's own window or table in words, the first of several: "width 400, level 40"; "" where none works.

    The width must be at least 1 for the usual linear window, above 0 for the others (PS3.3 C.11.2.1.2).
    """
    tables = tags.get("VOILUTSequence")
    if tables and None not in (tables[0].get("LUTDescriptor"), tables[0].get("LUTData")):
        return TABLE
    center, width = (_read_first(tags.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if center is None or width is None or "BitsStored" not in tags:  # the last: what pydicom scales windows by
        return ""
    function = str(tags.get("VOILUTFunction") or "LINEAR").upper()
    least = {"LINEAR": width >= 1, "LINEAR_EXACT": width > 0, "SIGMOID": width > 0}
    if not least.get(function, False):
        return ""
    return f"width {width:g}, level {center:g}" + ("" if function == "LINEAR" else f" ({function.lower()})")


def name_values(tags: Dataset) -> str:
    """Name what the values after the modality rule are counted in: one range is measured for each kind."""
    unit, modality = str(tags.get("RescaleType") or "").upper(), str(tags.get("Modality") or "")
    if unit == "HU" or (modality == "CT" and _has_modality_rule(tags)):
        return HOUNSFIELD_UNITS
    return f"DICOM values ({modality})" if modality else "DICOM values"


@dataclass(frozen=True)
class _Rule:
    """How stored values become levels, and what is said of it."""

    level: Callable[[NDArray[Any]], NDArray[np.uint8]]
    values: tuple[str, Range] | None = None
    window: str = ""


def _choose_rule(
    sample: NDArray[Any], counts: NDArray[np.int64] | None, tags: Dataset, bits: int, asked: Asked
) -> _Rule:
    """Choose the rule by the frame's different stored values and how often each is there (None: as often as given)."""
    window = find_window(tags)
    if asked.range is None and window:
        return _Rule(lambda stored: _to_levels(_apply_window(stored, tags), (0.0, 1.0), tags), window=window)
    has_units = _has_modality_rule(tags)
    if bits <= _SHALLOW_BITS and not tags.get("ModalityLUTSequence") and not (has_units and asked.range):
        low, high = _apply_modality(_find_ends(tags, bits), tags)
        return _Rule(lambda stored: _to_levels(_apply_modality(stored, tags), (low, high), tags))
    kind = name_values(tags)
    own = measure_range(_apply_modality(sample, tags), _weigh(sample, counts, tags))
    used = asked.range or asked.find_range(kind) or own
    return _Rule(lambda stored: _to_levels(_apply_modality(stored, tags), used, tags), (kind, own))


def measure_range(values: Floats, weights: NDArray[np.int64]) -> Range:
    """Return the PERCENTILES of values, each of which is there `weights` times.

    Where they are the same it is the whole range. Raises ValueError without a finite value.
    """
    good = np.isfinite(values) & (weights > 0)
    if not good.any():
        raise ValueError("holds no finite value (every pixel is NaN, infinite or padding)")
    order = np.argsort(values[good], kind="stable")
    found, summed = values[good][order], np.cumsum(weights[good][order])
    low, high = (
        float(found[min(int(np.searchsorted(summed, share / 100 * summed[-1])), len(found) - 1)])
        for share in PERCENTILES
    )
    return (low, high) if low < high else (float(found[0]), float(found[-1]))


def _to_levels(values: Floats, black_white: Range, tags: Dataset) -> NDArray[np.uint8]:
    low, high = black_white
    scaled = (values - low) * (255.0 / (high - low) if high != low else 0.0)
    levels = np.clip(np.floor(np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0) + 0.5), 0, 255)
    if str(tags.get("PhotometricInterpretation")) == "MONOCHROME1":
        levels = 255 - levels
    return levels.astype(np.uint8)


def _apply_modality(stored: NDArray[Any], tags: Dataset) -> Floats:
    from pydicom.pixels import apply_modality_lut

    return np.asarray(apply_modality_lut(stored, tags), np.float64)


def _apply_window(stored: NDArray[Any], tags: Dataset) -> Floats:
    """Apply modality and window, and bring the window's whole output to 0 (black) … 1 (white)."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    values = apply_modality_lut(stored, tags)
    if find_window(tags) == TABLE:
        if values.dtype.kind == "f" and (values == np.floor(values)).all():
            values = values.astype(np.int64)  # a table is looked up by whole numbers
        whitest = float(2 ** int(tags.VOILUTSequence[0].LUTDescriptor[2]) - 1)
        looked_up: Floats = np.asarray(apply_voi_lut(values, tags), np.float64) / whitest
        return looked_up
    with np.errstate(over="ignore"):  # of the sigmoid, beyond the window
        # The two ends are what pydicom gives for all that lies below and above the window.
        ends = np.asarray(apply_voi_lut(np.array([-_FAR, _FAR]), tags), np.float64)
        applied = np.asarray(apply_voi_lut(values.astype(np.float64), tags), np.float64)
    parts: Floats = (applied - ends[0]) / (ends[1] - ends[0] or 1.0)
    return parts


def _has_modality_rule(tags: Dataset) -> bool:
    """Whether stored values are turned into others."""
    if tags.get("ModalityLUTSequence"):
        return True
    slope, intercept = tags.get("RescaleSlope"), tags.get("RescaleIntercept")
    return slope is not None and intercept is not None and (float(slope), float(intercept)) != (1.0, 0.0)


def _find_ends(tags: Dataset, bits: int) -> NDArray[np.int64]:
    """The least and the largest value that can be stored in so many bits."""
    half = 2 ** (bits - 1)
    return np.array([-half, half - 1] if tags.get("PixelRepresentation") else [0, 2 * half - 1])


def _weigh(sample: NDArray[Any], counts: NDArray[np.int64] | None, tags: Dataset) -> NDArray[np.int64]:
    """How often each value counts for the range: padding, which fills what was not measured, does not at all."""
    weights = np.ones(sample.shape, np.int64) if counts is None else counts.copy()
    padding = _read_first(tags.get("PixelPaddingValue"))
    if padding is None:
        return weights
    limit = _read_first(tags.get("PixelPaddingRangeLimit"))
    ends = [_to_stored(value, sample.dtype) for value in (padding, padding if limit is None else limit)]
    inside = (sample >= min(ends)) & (sample <= max(ends))
    return np.where(inside, 0, weights) if not inside.all() else weights


def _to_stored(value: float, dtype: np.dtype[Any]) -> float:
    """A value of a tag as it is stored: writers often note 63536 for −2000 in signed data, or the other way round."""
    if dtype.kind not in "iu":
        return value
    limits, span = np.iinfo(dtype), float(2 ** (8 * dtype.itemsize))
    return value - span if value > limits.max else value + span if value < limits.min else value


def _read_first(value: Any) -> float | None:
    """Read the first number of a tag, None for an empty one or text."""
    first = value[0] if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue" else value
    try:
        return None if first is None or first == "" else float(first)
    except (TypeError, ValueError):
        return None


def _count_codes(codes: NDArray[Any]) -> NDArray[np.int64]:
    """How often each value of 8 or 16 bits is there."""
    counts = np.zeros(2 ** (8 * codes.dtype.itemsize), np.int64)
    for top, bottom in list_strips(codes):
        counts += np.bincount(codes[top:bottom].ravel(), minlength=len(counts))
    return counts


def list_strips(values: NDArray[Any]) -> list[tuple[int, int]]:
    """List the rows of values in strips, (first, after the last), to convert one after the other."""
    rows = max(1, STRIP_VALUES // max(values[:1].size, 1))
    return [(top, min(top + rows, len(values))) for top in range(0, len(values), rows)]
