from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli.data.readers import ImageFileError, check_image, gate, measure_header, read_image
from sightx_cli.data.readers.pillow_file import MAX_PIXELS

WritePhoto = Callable[..., Path]


def pixels(path: Path) -> np.ndarray:
    image = read_image(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def grey_levels(path: Path) -> int:
    return len(np.unique(pixels(path)))


def gradient_12_bit() -> np.ndarray:
    return np.tile(np.linspace(0, 4095, 512).astype(np.uint16), (64, 1))


SETTLE = (
    "import sightx_cli; sightx_cli.settle_process()"  # as the command does: the filters are not for a caller's process
)


def write_png(path: Path, width: int, height: int, depth: int, colour: int, rows: bytes) -> Path:
    """Write a PNG by hand, since Pillow cannot write 16-bit colour (nor would one want to write a bomb)."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_12_bit_gradient_in_a_16_bit_file_keeps_its_grey_levels(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scan.{suffix}"
    Image.fromarray(gradient_12_bit()).save(path)
    assert grey_levels(path) > 200


def test_a_16_bit_image_spans_black_to_white_in_order(tmp_path: Path) -> None:
    path = tmp_path / "scan.png"
    Image.fromarray(gradient_12_bit()).save(path)
    row = pixels(path)[0, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 255
    assert (np.diff(row) >= 0).all()


def test_a_few_marks_on_black_in_16_bits_still_show(tmp_path: Path) -> None:
    marks = np.zeros((200, 200), np.uint16)
    marks[7, 7], marks[9, 9] = 1000, 500
    path = tmp_path / "marks.png"
    Image.fromarray(marks).save(path)
    assert pixels(path)[7, 7, 0] == 255
    assert 120 <= pixels(path)[9, 9, 0] <= 135


def test_a_constant_16_bit_image_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flat.png"
    Image.fromarray(np.full((8, 8), 900, np.uint16)).save(path)
    assert grey_levels(path) == 1


def test_the_range_that_a_tiff_declares_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "declared.tif"
    values = np.tile(np.linspace(0, 1000, 256).astype(np.uint16), (8, 1))
    Image.fromarray(values).save(path, tiffinfo={280: 0, 281: 4000})
    assert 60 <= pixels(path).max() <= 66  # 1000 of 4000


def test_a_declared_range_that_is_only_the_type_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "declared.tif"
    Image.fromarray(gradient_12_bit()).save(path, tiffinfo={280: 0, 281: 65535})
    assert grey_levels(path) > 200


def test_a_16_bit_tiff_where_0_is_white_is_turned_round(tmp_path: Path) -> None:
    path = tmp_path / "inverted.tif"
    Image.fromarray(gradient_12_bit()).save(path, tiffinfo={262: 0})
    row = pixels(path)[0, :, 0]
    assert row[0] > row[-1]


def test_a_float_tiff_is_scaled_and_its_gaps_are_black(tmp_path: Path) -> None:
    values = np.tile(np.linspace(-3.0, 5.0, 300, dtype=np.float32), (20, 1))
    values[0, 0] = np.nan
    path = tmp_path / "float.tif"
    Image.fromarray(values).save(path)
    assert grey_levels(path) > 200
    assert pixels(path)[0, 0, 0] == 0


def test_a_float_tiff_with_no_finite_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nan.tif"
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(path)
    with pytest.raises(ImageFileError, match="no finite value"):
        check_image(path)


def test_a_32_bit_integer_tiff_keeps_its_range(tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    Image.fromarray(np.tile(np.linspace(0, 1_000_000, 512).astype(np.int32), (8, 1))).save(path)
    assert grey_levels(path) > 200


def test_a_16_bit_pgm_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep.pgm"
    path.write_bytes(b"P5 512 1 4095\n" + gradient_12_bit()[0].astype(">u2").tobytes())
    assert grey_levels(path) > 200


def test_the_camera_s_rotation_is_applied(tmp_path: Path) -> None:
    image = Image.new("RGB", (40, 20), "black")
    image.paste("white", (0, 0, 10, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° to the right
    path = tmp_path / "turned.jpg"
    image.save(path, exif=exif, quality=95)
    assert read_image(path).size == (20, 40)
    assert pixels(path)[2, 10, 0] > 200
    assert pixels(path)[-2, 10, 0] < 50
    assert measure_header(path)[:2] == (20, 40)


@pytest.mark.parametrize("suffix", ["tif", "png", "webp"])
def test_other_formats_are_turned_upright_too(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / f"turned.{suffix}"
    Image.new("RGB", (40, 20)).save(path, exif=exif)
    assert read_image(path).size == measure_header(path)[:2] == (20, 40)


def test_transparent_parts_lie_over_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    image.putpixel((0, 0), (10, 20, 30, 255))
    path = tmp_path / "cut-out.png"
    image.save(path)
    assert pixels(path)[3, 3].tolist() == [255, 255, 255]
    assert pixels(path)[0, 0].tolist() == [10, 20, 30]


def test_a_transparent_palette_colour_lies_over_white(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([9, 9, 9, 200, 0, 0])
    image.putpixel((0, 0), 0)
    path = tmp_path / "palette.png"
    image.save(path, transparency=0)
    assert pixels(path)[0, 0].tolist() == [255, 255, 255]
    assert pixels(path)[3, 3].tolist() == [200, 0, 0]


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "png"), ("1", "png"), ("P", "gif"), ("CMYK", "jpg"), ("LA", "png"), ("L", "webp")]
)
def test_other_modes_become_rgb_and_keep_white(tmp_path: Path, mode: str, suffix: str) -> None:
    path = tmp_path / f"white.{suffix}"
    Image.new("RGB", (16, 16), "white").convert(mode).save(path)
    assert pixels(path).min() >= 250


def test_a_jpeg_is_never_drafted_below_the_side_asked_for(tmp_path: Path, write_photo: WritePhoto) -> None:
    path = write_photo(tmp_path / "large.jpg", size=(800, 600))
    assert read_image(path).size == (800, 600)
    assert read_image(path, min_side_px=300).size == (400, 300)
    assert read_image(path, min_side_px=301).size == (800, 600)
    assert read_image(path, min_long_side_px=400).size == (400, 300)
    assert read_image(path, min_long_side_px=401).size == (800, 600)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.jpg", b"", "is empty"),
        ("text.jpg", b"hello, I am no image\n", "it holds text: 'hello, I am no"),
        ("noise.png", bytes(range(256)), "first bytes are 00 01 02 03"),
        ("header.png", b"\x89PNG\r\n\x1a\n", "begins as a PNG"),
    ],
)
def test_what_is_no_image_is_refused_by_name(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageFileError) as caught:
        check_image(tmp_path / name)
    assert name in caught.value.message
    assert words in caught.value.reason


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp", "gif"])
def test_a_truncated_file_is_found_by_the_check_and_by_reading(
    tmp_path: Path, write_photo: WritePhoto, suffix: str
) -> None:
    path = write_photo(tmp_path / f"cut.{suffix}", size=(300, 300))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.8)])
    for read in (check_image, read_image):
        with pytest.raises(ImageFileError, match=f"cut.{suffix}"):
            read(path)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_its_last_hundredth_is_found(tmp_path: Path, progressive: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    path = tmp_path / "cut.jpg"
    Image.fromarray(noise).save(path, progressive=progressive)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.99)])
    with pytest.raises(ImageFileError, match="truncated"):
        check_image(path)


@pytest.mark.parametrize("height", [MAX_PIXELS // 20_000 + 1, 9_000, 200_000])
def test_an_image_bomb_is_refused_from_its_header_in_silence(tmp_path: Path, height: int) -> None:
    path = write_png(tmp_path / "bomb.png", 20_000, height, 8, 2, b"")
    code = f"{SETTLE}; from sightx_cli.data.readers import check_image; check_image({str(path)!r})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert f"{20_000 * height:,} pixels; at most 128,000,000" in result.stderr
    assert "Warning" not in result.stderr


def test_a_large_image_within_the_limit_gives_no_warning(tmp_path: Path) -> None:
    path = write_png(tmp_path / "large.png", 20_000, MAX_PIXELS // 20_000, 1, 0, b"")
    code = f"{SETTLE}; from sightx_cli.data.readers import measure_header; print(measure_header({str(path)!r}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stderr == ""
    assert result.stdout.startswith("(20000, 6400")


def test_missing_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="No such file"):
        read_image(tmp_path / "gone.png")
    with pytest.raises(ImageFileError, match="is a folder, not a file"):
        read_image(tmp_path)


def test_the_header_tells_the_depth(tmp_path: Path, write_photo: WritePhoto) -> None:
    Image.fromarray(gradient_12_bit()).save(tmp_path / "deep.png")
    assert measure_header(tmp_path / "deep.png") == (512, 64, "I;16", 16, "PNG")
    assert measure_header(write_photo(tmp_path / "photo.jpg")) == (40, 30, "RGB", 8, "JPEG")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "I;16", "F", "RGB with one transparent colour"])
def test_bands_give_the_pixels_of_the_whole(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    path = tmp_path / ("a.tif" if mode == "F" else "a.png")
    if mode == "P":
        image = Image.fromarray(generator.integers(0, 3, (61, 47), dtype=np.uint8), mode="P")
        image.putpalette([255, 0, 0, 0, 255, 0, 9, 9, 9])
        image.save(path, transparency=bytes([0, 128, 255]))
    elif mode in ("I;16", "F"):
        values = generator.integers(0, 4096, (61, 47))
        Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.float32)).save(path)
    elif mode == "RGB with one transparent colour":
        Image.fromarray(generator.integers(0, 2, (61, 47, 3), dtype=np.uint8)).save(path, transparency=(1, 0, 1))
    else:
        shape = (61, 47, {"RGBA": 4, "LA": 2}[mode])
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8), mode=mode).save(path)
    whole = pixels(path)
    monkeypatch.setattr(gate, "BAND_PIXELS", 47 * 5)
    assert np.array_equal(pixels(path), whole)
