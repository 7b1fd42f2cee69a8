"""Colour of 16 bits keeps what 8 bits would cut."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from sightx_cli.data.readers import ImageFileError, Reading, check_image, decode_image, measure_header

DEEP = np.random.default_rng(0).integers(0, 4096, (20, 30, 4)).astype(np.uint16)
FULL = Reading(ranges=(("whole numbers", 0.0, 4095.0),))
COLOURS = {2: 4, 3: 2, 4: 6}
"""PNG's colour type, by the number of channels."""


def write_png(path: Path, values: np.ndarray) -> Path:
    """Write 16 bits a channel by hand, each row by another of PNG's filters: Pillow cannot."""
    height, width, channels = values.shape
    step = 2 * channels
    rows, last = [], np.zeros(width * step, np.int64)
    for number, row in enumerate(values):
        raw = np.frombuffer(row.astype(">u2").tobytes(), np.uint8).astype(np.int64)
        left = np.concatenate([np.zeros(step, np.int64), raw[:-step]])
        kind = number % 4
        predicted = (np.zeros_like(raw), left, last, (left + last) // 2)[kind]
        rows.append(bytes([kind]) + ((raw - predicted) % 256).astype(np.uint8).tobytes())
        last = raw

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 16, COLOURS[channels], 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


def expect(values: np.ndarray) -> np.ndarray:
    return (values.astype(np.float32) * np.float32(255 / 4095) + 0.5).astype(np.uint8)


def test_a_16_bit_colour_png_keeps_both_bytes_of_each_sample(tmp_path: Path) -> None:
    path = write_png(tmp_path / "deep.png", DEEP[..., :3])
    decoded = decode_image(path, reading=FULL)
    assert np.array_equal(np.asarray(decoded.image), expect(DEEP[..., :3]))
    assert check_image(path, None, FULL) == decoded.found
    assert measure_header(path) == (30, 20, "RGB", 16, "PNG")


@pytest.mark.parametrize("channels", [2, 4])
def test_its_alpha_is_transparency(tmp_path: Path, channels: int) -> None:
    values = DEEP[..., :channels].copy()
    values[..., -1] = 65_535
    values[:10, :, -1] = 0
    decoded = decode_image(write_png(tmp_path / "deep.png", values), reading=FULL)
    shown = np.asarray(decoded.image)
    assert (shown[:10] == 255).all()
    assert np.array_equal(shown[10:, :, 0], expect(values[10:, :, 0]))
    assert [remark.kind for remark in decoded.found.remarks] == ["alpha"]


@pytest.mark.parametrize("plain", [False, True])
def test_a_16_bit_ppm_keeps_its_values(tmp_path: Path, plain: bool) -> None:
    colours, path = DEEP[..., :3], tmp_path / "deep.ppm"
    if plain:
        path.write_text("P3 30 20 4095\n" + " ".join(map(str, colours.ravel())))
    else:
        path.write_bytes(b"P6 30 20 4095\n" + colours.astype(">u2").tobytes())
    assert np.array_equal(np.asarray(decode_image(path, reading=FULL).image), expect(colours))


@pytest.mark.parametrize("name", ["deep.png", "deep.ppm"])
def test_one_that_is_cut_off_is_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("png"):
        write_png(path, DEEP[..., :3])
    else:
        path.write_bytes(b"P6 30 20 4095\n" + DEEP[..., :3].astype(">u2").tobytes())
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageFileError, match="truncated"):
        check_image(path)


def test_the_bands_asked_for_are_read_of_it_too(tmp_path: Path) -> None:
    path = write_png(tmp_path / "deep.png", DEEP)
    turned = decode_image(path, reading=Reading(bands=(3, 2, 1), ranges=FULL.ranges))
    assert np.array_equal(np.asarray(turned.image), expect(DEEP[..., [2, 1, 0]]))
