"""The small grammars in a recipe: what trains, which taps are read, the band of image counts; what a field takes.

Each reader takes a value as written in TOML and raises ValueError with the text of what is allowed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

ALLOWED_TRAIN = (
    '"head", "last:N" (stages), "last-blocks:N", "last:P%" (of the leaf layers), "all", "scratch" (all, from random '
    "weights), or a list of module names"
)
ALLOWED_TAPS = '"last", "last:N" (the last N stages) or "all"'
ALLOWED_BAND = "[low, high], whole numbers from 0 with low below high, and inf for no upper end: [500_000, inf]"

ALLOWED_BANDS = "a list of one to three different band numbers from 1, such as [3, 2, 1]"

EACH_FILE, WHOLE_SET = "file", "set"
"""For `image.range`: every deep file over its own range, or all of them over one."""
HOUNSFIELD = {
    "lung": (-1350.0, 150.0),
    "mediastinum": (-125.0, 225.0),
    "abdomen": (-150.0, 250.0),
    "liver": (-45.0, 105.0),
    "brain": (0.0, 80.0),
    "bone": (-500.0, 1300.0),
}
"""For `image.range`: the usual windows of CT in Hounsfield units (https://radiopaedia.org/articles/windowing-ct), as
(black, white): lung is width 1500, level −600."""
ALLOWED_RANGE = (
    '"set" (one range for all images of more than 8 bits, measured on the training images), "file" (each over its '
    f"own), [low, high], or a window of CT: {', '.join(HOUNSFIELD)}"
)

BESIDE = "+"
"""For `model.backbone`: between the names of networks that stand side by side."""

SCRATCH = "scratch"
"""For `train`: the whole network, from random weights; for `model.weights`: random weights."""

_TRAIN = re.compile(r"head|all|scratch|last:[1-9]\d{0,5}|last-blocks:[1-9]\d{0,5}")
_PERCENT = re.compile(r"last:(\d+(?:\.\d+)?)%")
_TAPS = re.compile(r"last|all|last:[1-9]\d{0,5}")


@dataclass(frozen=True)
class Allowed:
    """What a field takes, as stated in an error; `Literal` fields need none."""

    text: str


FRACTION = Allowed("a number from 0 to below 1")


def read_train(value: object) -> str | tuple[str, ...]:
    """Read what a stage trains: "head", "last:N", "last-blocks:N", "last:P%", "all", "scratch", or module names."""
    if isinstance(value, str):
        percent = _PERCENT.fullmatch(value)
        if _TRAIN.fullmatch(value) or (percent and 0 < float(percent[1]) <= 100):
            return value
    elif isinstance(value, list | tuple) and value:
        names = tuple(item for item in value if isinstance(item, str) and item.strip())
        if len(set(names)) == len(value):
            return names
    raise ValueError(ALLOWED_TRAIN)


def read_taps(value: object) -> str:
    """Read which outputs the head sees: "last", "last:N" or "all"."""
    if isinstance(value, str) and _TAPS.fullmatch(value):
        return value
    raise ValueError(ALLOWED_TAPS)


def read_bands(value: object) -> tuple[int, ...]:
    """Read which bands of a file become red, green and blue, numbered from 1."""
    if isinstance(value, list | tuple) and 1 <= len(value) <= 3 and len(set(value)) == len(value):
        bands = tuple(item for item in value if _is_count(item) and item >= 1)
        if len(bands) == len(value):
            return bands
    raise ValueError(ALLOWED_BANDS)


def read_range(value: object) -> str | tuple[float, float]:
    """Read what becomes black and white of deep values: "set", "file", the name of a window of CT, or [low, high]."""
    if isinstance(value, str) and value in (WHOLE_SET, EACH_FILE, *HOUNSFIELD):
        return value
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(item) in (int, float) for item in value):
        low, high = map(float, value)
        if math.isfinite(low) and math.isfinite(high) and low < high:
            return low, high
    raise ValueError(ALLOWED_RANGE)


def read_band(value: object) -> tuple[int, int | None]:
    """Read a half-open band of image counts; `inf` in TOML is None here."""
    if isinstance(value, list | tuple) and len(value) == 2:
        low, high = value
        if isinstance(high, float) and high == math.inf:
            high = None
        if _is_count(low) and (high is None or (_is_count(high) and low < high)):
            return (low, high)
    raise ValueError(ALLOWED_BAND)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
