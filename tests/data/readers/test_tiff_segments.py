"""TIFFs as GDAL, QGIS and Photoshop pack them are read without a package more."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from sightx_cli.data.readers import ImageFileError, Reading, check_image, decode_image

NUMBERS = np.random.default_rng(0).integers(0, 4096, (40, 50, 5)).astype(np.uint16)
ANY = Reading(bands=(1, 2, 3), asked=(0.0, 4095.0))


def pack(values: np.ndarray, compression: int, predictor: int) -> bytes:
    """Pack one strip or tile (rows, columns, bands)."""
    if predictor == 2:
        values = np.diff(values, axis=1, prepend=np.zeros_like(values[:, :1]))
    rows = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
    if predictor == 3:  # Adobe's: the bytes of a row by their rank, the highest first, then their differences
        size, step = values.itemsize, values.shape[2]
        ranks = np.ascontiguousarray(values.astype(values.dtype.newbyteorder(">"))).view(np.uint8)
        ranks = ranks.reshape(len(values), -1, size).transpose(0, 2, 1).reshape(len(values), -1, step)
        rows = np.diff(ranks, axis=1, prepend=np.zeros_like(ranks[:, :1])).reshape(len(values), -1)
    if compression == 8:
        return zlib.compress(rows.tobytes())
    with io.BytesIO() as file:
        Image.fromarray(rows).save(file, "TIFF", compression="tiff_lzw", tiffinfo={278: len(rows)})
        packed = Image.open(file)
        assert isinstance(packed, TiffImagePlugin.TiffImageFile)
        (start,), (count,) = packed.tag_v2[273], packed.tag_v2[279]
        return file.getvalue()[start : start + count]


def write(path: Path, values: np.ndarray, compression: int, predictor: int, tile: int = 0, apart: bool = False) -> Path:
    """Write a TIFF in strips of 16 rows, or in tiles."""
    height, width, count = values.shape
    planes = [values[..., [band]] for band in range(count)] if apart else [values]
    step = (tile, tile) if tile else (16, width)
    segments = []
    for plane in planes:
        for top in range(0, height, step[0]):
            for left in range(0, width, step[1]):
                part = plane[top : top + step[0], left : left + step[1]]
                if tile:
                    part = np.pad(part, ((0, tile - part.shape[0]), (0, tile - part.shape[1]), (0, 0)))
                segments.append(pack(part, compression, predictor))
    starts = np.cumsum([8, *map(len, segments)]).tolist()
    tags = {256: [width], 257: [height], 258: [8 * values.itemsize] * count, 259: [compression], 262: [1], 277: [count]}
    tags |= {284: [2 if apart else 1], 317: [predictor], 338: [0] * (count - 1)}
    tags |= {339: [3 if values.dtype.kind == "f" else 1] * count}
    places = {324: starts[:-1], 325: list(map(len, segments)), 322: [tile], 323: [tile]}
    tags |= places if tile else {273: places[324], 279: places[325], 278: [16]}
    body, entries = b"".join(segments) + bytes(starts[-1] % 2), b""
    directory = 8 + len(body)
    behind, room = b"", directory + 2 + 12 * len(tags) + 4
    for tag, numbers in sorted(tags.items()):
        raw = struct.pack(f"<{len(numbers)}I", *numbers)
        field = raw if len(raw) == 4 else struct.pack("<I", room + len(behind))
        behind += raw if len(raw) > 4 else b""
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + field
    head = struct.pack("<2sHI", b"II", 42, directory)
    path.write_bytes(head + body + struct.pack("<H", len(tags)) + entries + bytes(4) + behind)
    return path


@pytest.mark.parametrize("layout", [{}, {"tile": 16}, {"apart": True}, {"tile": 16, "apart": True}], ids=str)
@pytest.mark.parametrize(
    ("dtype", "compression", "predictor"),
    [
        *((np.uint8, 5, 1), (np.uint8, 5, 2), (np.uint16, 5, 2), (np.float32, 5, 1)),
        *((np.float32, 5, 3), (np.float32, 8, 3), (np.float64, 8, 3), (np.uint16, 8, 2)),
    ],
)
def test_packed_bands_are_the_numbers_that_were_packed(
    tmp_path: Path, dtype: type, compression: int, predictor: int, layout: dict[str, int]
) -> None:
    values = (NUMBERS % 256 if dtype is np.uint8 else NUMBERS).astype(dtype)
    path = write(tmp_path / "a.tif", values, compression, predictor, **layout)
    decoded = decode_image(path, reading=ANY)
    expected = values[..., :3]
    if dtype is not np.uint8:
        expected = (values[..., :3].astype(np.float32) * np.float32(255 / 4095) + 0.5).astype(np.uint8)
    assert np.array_equal(np.asarray(decoded.image), expected)
    assert check_image(path, None, ANY) == decoded.found


def test_a_damaged_strip_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", NUMBERS, 5, 2)
    data = bytearray(path.read_bytes())
    data[20:4000] = bytes(3980)
    path.write_bytes(data)
    with pytest.raises(ImageFileError):
        check_image(path, None, ANY)
