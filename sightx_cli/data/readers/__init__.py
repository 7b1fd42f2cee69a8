"""From a file to upright 8-bit pixels, RGB or grey: a new kind of file is a module here and a line in READERS."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.readers.base import (
    AS_IS,
    Decoded,
    Found,
    Header,
    ImageFileError,
    Reader,
    Reading,
    Remark,
    Values,
    check_file,
    explain_refusal,
)
from sightx_cli.data.readers.dicom import DicomReader
from sightx_cli.data.readers.gate import holding_pixels
from sightx_cli.data.readers.heif import HeifReader
from sightx_cli.data.readers.in_memory import Given, read_given, take_bytes
from sightx_cli.data.readers.pillow_file import read_start
from sightx_cli.data.readers.raster import RasterReader
from sightx_cli.data.readers.references import is_packed, read_packed
from sightx_cli.data.readers.remote_file import is_remote, read_remote
from sightx_cli.data.readers.tiff import TiffReader

if TYPE_CHECKING:
    from PIL import Image

__all__ = [
    "AS_IS",
    "Decoded",
    "Found",
    "Given",
    "Header",
    "ImageFileError",
    "Reader",
    "Reading",
    "Remark",
    "Values",
    "check_image",
    "decode_image",
    "holding_pixels",
    "list_packages",
    "load_bytes",
    "measure_header",
    "read_image",
    "read_pixels",
]

READERS: Mapping[str, Reader] = {
    "raster": RasterReader(),
    "dicom": DicomReader(),
    "heif": HeifReader(),
    "tiff": TiffReader(),
}
"""By kind; the first takes files that none recognises, and reports what is wrong with them."""

LARGEST_BYTES = 64 * 1024**2
"""Files up to this size are taken into memory whole, one for each reading thread."""


@functools.cache
def list_packages() -> tuple[str, ...]:
    """Return the packages whose versions the pixels depend on."""
    return tuple(dict.fromkeys(package for reader in READERS.values() for package in reader.packages))


@functools.cache
def list_suffixes() -> frozenset[str]:
    """Return the file name endings of images, in lower case."""
    return frozenset().union(*(reader.suffixes for reader in READERS.values()))


def find_reader(path: str | Path, data: bytes | None = None) -> Reader:
    """Return the reader of a file: by its first bytes, else by its name, else the first there is."""
    start, readers = read_start(path, data, 512), list(READERS.values())
    for reader in (*readers[1:], readers[0]):  # DICOM before TIFF: a file may begin as one and be both
        if reader.recognises(start):
            return reader
    suffix = Path(path).suffix.lower()
    return next((reader for reader in readers if suffix in reader.suffixes), readers[0])


def load_bytes(path: str | Path) -> bytes | None:
    """Return a file's bytes; None of one too large to take into memory whole, which only a file of its own can be.

    Whatever has a URI is read from there.

    Raises: `ImageFileError` for a file that is missing, empty, unreadable, or not a regular file.
    """
    if is_remote(path):
        return read_remote(str(path))
    try:
        state = os.stat(path)  # noqa: PTH116 (each image of a set comes by here, some several times)
        if not stat.S_ISREG(state.st_mode) or not state.st_size:
            check_file(path)
        if state.st_size > LARGEST_BYTES:
            return None
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            return file.read()
    except (OSError, ValueError) as error:  # ValueError: no file can have this name
        if is_packed(path):
            return read_packed(path)
        raise ImageFileError(path, *explain_refusal(path, error)) from error


def _take(path: str | Path, data: bytes | None) -> bytes | None:
    """Return the bytes of what is no file of its own, an image in a shard or at a URI; else what was given."""
    return load_bytes(path) if data is None and (is_packed(path) or is_remote(path)) else data


def read_image(
    path: str | Path,
    min_side_px: int | None = None,
    min_long_side_px: int | None = None,
    data: bytes | None = None,
    reading: Reading = AS_IS,
) -> Image.Image:
    """Read an image file, or its bytes, as upright 8-bit RGB: the pixels alone (see `decode_image`)."""
    image = read_pixels(path, min_side_px, min_long_side_px, data, reading)
    return image if image.mode == "RGB" else image.convert("RGB")


def read_pixels(
    path: str | Path,
    min_side_px: int | None = None,
    min_long_side_px: int | None = None,
    data: bytes | None = None,
    reading: Reading = AS_IS,
) -> Image.Image:
    """Read an image file, or its bytes, as upright 8-bit RGB, or as one channel where it is grey.

    What is then done to a channel is done once, and equals what would be done to three of it, to the byte.
    """
    return decode_image(path, min_side_px, min_long_side_px, data, reading).image


def decode_image(
    path: str | Path,
    min_side_px: int | None = None,
    min_long_side_px: int | None = None,
    data: Given | None = None,
    reading: Reading = AS_IS,
) -> Decoded:
    """Read an image file, or what is in memory of it, as upright 8-bit RGB or grey, and say what was found in it.

    With `min_side_px` it may be decoded at a fraction of its size as long as its shorter side keeps that many pixels
    (its longer side, with `min_long_side_px`): several times faster. Without either, every pixel is decoded.

    Raises: `ImageFileError` for a file that is missing, empty, damaged, not an image, too large, or without the page
    or bands asked for.
    """
    given = load_bytes(path) if data is None else take_bytes(data)
    if given is None or isinstance(given, bytes):
        return find_reader(path, given).read(path, min_side_px, min_long_side_px, given, reading)
    return read_given(given, path, reading)


def check_image(path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Found:
    """Read a file to its end, as cheaply as its format allows; raises `ImageFileError` if it cannot be used."""
    data = _take(path, data)
    return find_reader(path, data).check(path, data, reading)


def measure_header(path: str | Path, data: bytes | None = None, reading: Reading = AS_IS) -> Header:
    """Read (width, height, mode, bits per channel, format) from the header alone; the size is the upright one."""
    data = _take(path, data)
    return find_reader(path, data).measure_header(path, data, reading)
