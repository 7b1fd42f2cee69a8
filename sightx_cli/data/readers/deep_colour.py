"""Colour of 16 bits a channel in PNG and PPM files, which Pillow alone would cut to 8 without a word."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

Open = Callable[[], AbstractContextManager[ImageFile.ImageFile]]
"""Opens the file anew: a Pillow image is decoded once."""

_OTHER_HALVES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
"""The raw modes that take the second byte of each 16-bit sample where the first takes the first."""


def is_deep_colour(image: ImageFile.ImageFile) -> bool:
    """Whether a PNG or PPM has colour, or grey with alpha, of more than 8 bits; its header's raw mode shows it."""
    if not image.tile or image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        return False
    given = image.tile[0][3]
    if image.format == "PPM":
        return image.mode == "RGB" and isinstance(given, tuple) and int(given[1]) > 255
    return image.format == "PNG" and ";16" in str(given)


def read_deep_colour(image: ImageFile.ImageFile, reopen: Open) -> NDArray[np.uint16]:
    """Read such an image, not yet decoded: (H, W, bands), 2 bands (grey, alpha), 3, or 4 (with alpha)."""
    if image.format == "PPM":
        return _read_ppm(image)
    raw = str(image.tile[0][3])
    if raw == "LA;16B":  # two samples of two bytes pass for one of four
        halves = _decode(image, "RGBA")
        return np.stack([_join(halves[..., 0], halves[..., 1]), _join(halves[..., 2], halves[..., 3])], axis=2)
    high = _decode(image, raw)
    with reopen() as again:
        return _join(high, _decode(again, _OTHER_HALVES[raw]))


def _decode(image: ImageFile.ImageFile, raw: str) -> NDArray[np.uint8]:
    codec, extents, offset, _ = image.tile[0]
    image.tile = [ImageFile._Tile(codec, extents, offset, raw)]
    image.load()
    return np.asarray(image)


def _join(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return high.astype(np.uint16) * np.uint16(256) + low


def _read_ppm(image: ImageFile.ImageFile) -> NDArray[np.uint16]:
    codec, _, offset, _ = image.tile[0]
    file: Any = image.fp
    file.seek(offset)
    count = 3 * image.width * image.height
    if codec == "ppm_plain":
        samples = np.array(re.sub(rb"#[^\n]*", b"", file.read()).split()[:count], np.uint16)
    else:
        samples = np.frombuffer(file.read(2 * count)[: 2 * count], ">u2").astype(np.uint16)
    if samples.size < count:
        raise OSError("image file is truncated")
    return samples.reshape(image.height, image.width, 3)
