"""Images that are in memory already, as Pillow's or as arrays, by the same rules as files: depth, bands, alpha, EXIF.

Each is read as a file without loss of it would be. It is one page: whoever hands it over has chosen that.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from sightx_cli.data.readers.bands import Bands, choose_bands
from sightx_cli.data.readers.base import Decoded, Found, ImageFileError, Reading
from sightx_cli.data.readers.blank import is_blank
from sightx_cli.data.readers.depth import FRACTIONS
from sightx_cli.data.readers.gate import open_gate
from sightx_cli.data.readers.pillow_file import check_size, naming_faults
from sightx_cli.data.readers.planes import show_planes
from sightx_cli.data.readers.raster import detach, read_decoded

CHANNELS = {1: 1, 3: 3, 4: 3}
"""How many channels an array may have, and how many of them are colours: the fourth is alpha."""
_TRANSPARENCY = 2
"""Of TIFF's tag ExtraSamples."""
_READING = threading.Lock()
"""Threads that read one open file move its position under each other."""


Given = bytes | Image.Image | NDArray[Any]
"""An image that is in memory: the bytes of its file, Pillow's image, or an array (H, W) or (H, W, channels)."""


def take_bytes(given: Given) -> Given:
    """Return the bytes of the file of an image that was opened and not decoded yet; else what was given.

    Pillow decodes into the image itself, and not all that a file holds: 16-bit colour becomes 8 bits.
    """
    if not isinstance(given, ImageFile.ImageFile) or not given.tile or given.tell():
        return given
    with _READING:
        file = _find_file(given)
        if file is None:
            return given
        place = file.tell()
        try:
            file.seek(0)
            return file.read()
        finally:
            file.seek(place)


def read_given(given: Image.Image | NDArray[Any], name: str | Path, reading: Reading) -> Decoded:
    """Read what is in memory as pixels; raises `ImageFileError` where it cannot be an image."""
    return read_array(given, name, reading) if isinstance(given, np.ndarray) else read_picture(given, name, reading)


def read_picture(image: Image.Image, name: str | Path, reading: Reading) -> Decoded:
    """Read the pixels of Pillow's image as upright 8-bit RGB or grey; nothing of it is changed."""
    if getattr(image, "tile", None) and _find_file(image) is None:
        raise ImageFileError(name, "was closed before its pixels were read", "call image.load() before it is closed")
    with open_gate().holding(), naming_faults(name, b""):
        check_size(name, *image.size)
        open_gate().take(image.width * image.height)
        with _READING:  # an image that is still to be decoded is, once
            image.load()
        return _complete(read_decoded(detach(image), name, reading, getattr(image, "tag_v2", {})))


def _find_file(image: Image.Image) -> IO[bytes] | None:
    file: IO[bytes] | None = getattr(image, "fp", None)
    return None if file is None or file.closed else file


def read_array(pixels: NDArray[Any], name: str | Path, reading: Reading) -> Decoded:
    """Read an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), RGB and alpha, as 8-bit RGB or grey.

    Raises `ImageFileError` for another shape, and for numbers that nothing says the range of.
    """
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    _check_array(pixels, planes, name, reading)
    check_size(name, planes.shape[1], planes.shape[0])
    with open_gate().holding(), naming_faults(name, b""):
        open_gate().take(planes.shape[0] * planes.shape[1])
        return _complete(show_planes(planes, _choose_bands(planes, name, reading), name, reading))


def _choose_bands(planes: NDArray[Any], name: str | Path, reading: Reading) -> Bands:
    count = planes.shape[2]
    what = f"an array with {count} channels of {planes.dtype}"
    extras = (_TRANSPARENCY,) * (count == 4 and reading.bands is None)
    return choose_bands(count, CHANNELS.get(count, 0), extras, reading, name, what)


def _check_array(pixels: NDArray[Any], planes: NDArray[Any], name: str | Path, reading: Reading) -> None:
    is_float = pixels.dtype.kind == "f" and reading.find_range(FRACTIONS) is not None
    is_whole = pixels.dtype.kind == "u" and pixels.dtype.itemsize <= 2  # in either order of bytes
    if not is_whole and not is_float:
        raise ImageFileError(
            name,
            f"is an array of {pixels.dtype}; allowed: uint8 from 0 to 255, or uint16",
            "bring it to the range of the training images, and convert it: array.astype('uint8')",
        )
    allowed = reading.bands is not None or (planes.ndim == 3 and planes.shape[-1] in CHANNELS)
    if planes.ndim != 3 or not allowed or 0 in planes.shape:
        first = planes.ndim == 3 and planes.shape[0] in CHANNELS
        hint = "channels stand last: array.transpose(1, 2, 0)" if first else "give several images as a list"
        raise ImageFileError(
            name, f"is an array of the shape {pixels.shape}; allowed: (H, W), (H, W, 1), (H, W, 3), (H, W, 4)", hint
        )


def _complete(decoded: Decoded) -> Decoded:
    found = decoded.found
    return Decoded(decoded.image, Found(values=found.values, blank=is_blank(decoded.image), remarks=found.remarks))
