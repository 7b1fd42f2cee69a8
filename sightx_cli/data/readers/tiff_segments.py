"""Strips and tiles of a TIFF, unpacked: LZW by Pillow's libtiff, and the predictor that tifffile leaves to imagecodecs.

GDAL, QGIS and Photoshop write most of their files so, and imagecodecs is a large package to bring for them.
"""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NONE, LZW, DEFLATE = 1, 5, (8, 32946)
_PLAIN, _DIFFERENCES, _FLOAT_DIFFERENCES = 1, 2, 3
"""Of the tag Predictor."""


def must_unpack(page: Any) -> bool:
    """Tell whether a page of tifffile is packed in a way that tifffile alone does not know, and this module does."""
    if page.dtype is None or page.bitspersample != 8 * page.dtype.itemsize or page.imagedepth > 1 or page.fillorder > 1:
        return False
    if page.predictor == _FLOAT_DIFFERENCES:
        return page.dtype.kind == "f" and page.compression in (NONE, LZW, *DEFLATE)
    return page.compression == LZW and page.predictor in (_PLAIN, _DIFFERENCES)


def unpack_page(page: Any) -> NDArray[Any]:
    """Read a page's samples (H, W, bands), strip by strip or tile by tile.

    Raises OSError, ValueError or `zlib.error` for damaged ones.
    """
    key = page.keyframe  # whose tags hold for all pages of a series
    height, width, count = key.imagelength, key.imagewidth, key.samplesperpixel
    apart = key.planarconfig == 2 and count > 1
    rows, columns = (key.tilelength, key.tilewidth) if key.is_tiled else (min(key.rowsperstrip, height), width)
    down, across, deep = ceil(height / rows), ceil(width / columns), 1 if apart else count
    whole = np.zeros((down * rows, across * columns, count), key.dtype)
    segments = zip(page.dataoffsets, page.databytecounts, strict=True)
    for number, (offset, size) in enumerate(segments):
        plane, place = divmod(number, down * across)
        top, left = place // across * rows, place % across * columns
        lines = rows if key.is_tiled else min(rows, height - top)
        file = key.parent.filehandle
        file.seek(offset)
        shape = (lines, columns, deep)
        part = whole[top : top + lines, left : left + columns, plane if apart else slice(None)]
        values = _unpack(file.read(size), shape, key)
        part[:] = values[..., 0] if apart else values
    return whole[:height, :width]


def _unpack(packed: bytes, shape: tuple[int, int, int], page: Any) -> NDArray[Any]:
    lines, columns, deep = shape
    dtype = page.dtype.newbyteorder(page.parent.byteorder)
    size = columns * deep * dtype.itemsize
    if page.compression == LZW:
        packed = unpack_lzw(packed, size, lines)
    elif page.compression in DEFLATE:
        packed = zlib.decompress(packed)
    if len(packed) < size * lines:
        raise OSError("image file is truncated")
    if page.predictor == _FLOAT_DIFFERENCES:
        rows = np.frombuffer(packed, np.uint8, size * lines).reshape(lines, -1, deep)
        halves = rows.cumsum(axis=1, dtype=np.uint8).reshape(lines, dtype.itemsize, columns * deep)
        ranked: NDArray[Any] = np.ascontiguousarray(halves.transpose(0, 2, 1)).view(page.dtype.newbyteorder(">"))
        return ranked.reshape(shape)
    values: NDArray[Any] = np.frombuffer(packed, dtype, columns * deep * lines).reshape(shape)
    if page.predictor == _DIFFERENCES:
        values = values.astype(page.dtype).cumsum(axis=1, dtype=page.dtype)
    return values


def unpack_lzw(packed: bytes, row_bytes: int, rows: int) -> bytes:
    """Unpack one strip by the libtiff of Pillow: as a grey image of bytes, in a TIFF made for it."""
    tags = [(256, row_bytes), (257, rows), (258, 8), (259, LZW), (262, 1), (273, 8), (277, 1), (278, rows)]
    tags.append((279, len(packed)))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    file = struct.pack("<2sHI", b"II", 42, 8 + len(packed)) + packed + directory
    with Image.open(BytesIO(file), formats=("TIFF",)) as image:
        return image.tobytes()
