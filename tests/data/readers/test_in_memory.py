"""Images in memory give the pixels that a file of them gives, by the same rules."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from sightx_cli.data.pixels import read_plain_view
from sightx_cli.data.readers import AS_IS, ImageFileError, Reading, decode_image

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (40, 30), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (40, 30, 3), dtype=np.uint8)
DEEP = RANDOM.integers(0, 60_000, (40, 30), dtype=np.uint16)
DEEP_COLOUR = RANDOM.integers(0, 60_000, (40, 30, 3), dtype=np.uint16)
ROUND = np.dstack([COLOUR, np.where(np.hypot(*np.mgrid[-20:20, -15:15]) < 14, 255, 0).astype(np.uint8)])


def write_turned(path: Path) -> None:
    image, exif = Image.fromarray(COLOUR), Image.Exif()
    exif[274] = 6
    image.save(path, exif=exif)


def write_deep_png(path: Path) -> None:
    import struct
    import zlib

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width = DEEP_COLOUR.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in DEEP_COLOUR)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts)


FILES: dict[str, Callable[[Path], Any]] = {
    "turned.jpg": write_turned,
    "grey.jpg": lambda path: Image.fromarray(GREY).save(path),
    "large.jpg": lambda path: Image.fromarray(COLOUR).resize((900, 1200)).save(path),
    "deep grey.png": lambda path: Image.fromarray(DEEP).save(path),
    "deep colour.png": write_deep_png,
    "see through.png": lambda path: Image.fromarray(ROUND).save(path),
    "five bands.tif": lambda path: tifffile.imwrite(path, RANDOM.random((5, 40, 30)), photometric="minisblack"),
    "white is 0.tif": lambda path: tifffile.imwrite(path, DEEP, photometric="miniswhite"),
    "moving.gif": lambda path: Image.fromarray(GREY).save(
        path, save_all=True, append_images=[Image.fromarray(GREY.T).resize((30, 40))]
    ),
    "slice.dcm": lambda path: None,
}


@pytest.mark.parametrize("name", FILES)
def test_the_bytes_of_a_file_give_the_pixels_of_its_path(
    name: str, tmp_path: Path, write_dicom: Callable[..., Path]
) -> None:
    path = tmp_path / name
    if path.suffix == ".dcm":
        write_dicom(path, DEEP.astype(np.int16), WindowCenter=20_000, WindowWidth=9_000)
    FILES[name](path)
    reading = Reading(bands=(4, 1, 2)) if name == "five bands.tif" else AS_IS
    expected = read_plain_view(path, 24, "pad", reading)
    found = read_plain_view("image", 24, "pad", reading, path.read_bytes())
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1] == expected[1]


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".jpg", ".png", ".gif"))])
def test_an_opened_image_gives_the_pixels_of_its_file(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path / name)
    expected = read_plain_view(tmp_path / name, 24, "crop", AS_IS)
    with Image.open(tmp_path / name) as image:
        found = read_plain_view("image", 24, "crop", AS_IS, image)
        again = read_plain_view("image", 24, "crop", AS_IS, image)
        assert image.tile, "it is left as it was"
    for one in (found, again):
        np.testing.assert_array_equal(one[0], expected[0])
        assert one[1] == expected[1]


@pytest.mark.parametrize("name", ["turned.jpg", "grey.jpg", "deep grey.png", "see through.png", "white is 0.tif"])
def test_a_decoded_image_gives_the_pixels_of_its_file(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path / name)
    expected = decode_image(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        image.load()
        before = image.tobytes(), dict(image.info)
        for given in (image, image.copy()) if name != "white is 0.tif" else (image,):  # a copy has no tags
            np.testing.assert_array_equal(decode_image("image", data=given).image, expected.image)
        assert (image.tobytes(), image.info) == before


@pytest.mark.parametrize(
    ("pixels", "name"),
    [
        (GREY, "grey.png"),
        (GREY[..., None], "grey.png"),
        (COLOUR, "colour.png"),
        (COLOUR[:, ::-1], "mirrored.png"),
        (ROUND, "see through.png"),
        (DEEP, "deep grey.png"),
        (DEEP.astype(">u2"), "deep grey.png"),
        (DEEP_COLOUR, "deep colour.png"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("reading", [AS_IS, Reading(ranges=(("whole numbers", 500.0, 50_000.0),))])
def test_an_array_gives_the_pixels_of_a_file_of_it(
    pixels: np.ndarray[Any, Any], name: str, reading: Reading, tmp_path: Path
) -> None:
    path = tmp_path / name
    write = FILES.get(name, lambda path: Image.fromarray(np.squeeze(pixels)).save(path))
    write(path)
    expected, found = (decode_image(path, reading=reading), decode_image("image", data=pixels, reading=reading))
    np.testing.assert_array_equal(found.image, expected.image)
    assert found.found == expected.found


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((3, 40, 30), np.uint8), "the shape \\(3, 40, 30\\)"),
        (np.zeros((2, 40, 30, 3), np.uint8), "the shape \\(2, 40, 30, 3\\)"),
        (np.zeros((40, 30, 2), np.uint8), "the shape \\(40, 30, 2\\)"),
        (np.zeros((0, 30, 3), np.uint8), "the shape \\(0, 30, 3\\)"),
        (np.zeros(7, np.uint8), "the shape \\(7,\\)"),
        (np.zeros((40, 30), np.float32), "float32"),
        (np.zeros((40, 30), np.int64), "int64"),
        (np.zeros((40, 30), object), "object"),
    ],
    ids=str,
)
def test_an_array_that_is_no_image_is_refused_with_what_is_allowed(pixels: np.ndarray[Any, Any], said: str) -> None:
    with pytest.raises(ImageFileError, match=f"image: is an array of .*{said}; allowed: "):
        decode_image("image", data=pixels)


def test_channels_that_stand_first_are_named_as_such() -> None:
    with pytest.raises(ImageFileError) as error:
        decode_image("image", data=np.zeros((3, 40, 30), np.uint8))
    assert "transpose(1, 2, 0)" in error.value.hint


def test_fractions_are_read_where_the_training_images_had_them() -> None:
    reading = Reading(ranges=(("fractions", 0.0, 1.0),))
    found = decode_image("image", data=np.linspace(0, 1, 40 * 30, dtype=np.float32).reshape(40, 30), reading=reading)
    assert found.image.getextrema() == (0, 255)


def test_a_picture_that_was_closed_is_an_error_and_no_crash(tmp_path: Path) -> None:
    write_turned(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        pass
    with pytest.raises(ImageFileError, match=r"^image: was closed before"):
        decode_image("image", data=image)


def test_the_frame_that_the_caller_chose_is_read() -> None:
    file = BytesIO()
    first, second = (Image.new("L", (30, 40), colour) for colour in (0, 200))
    first.save(file, "GIF", save_all=True, append_images=[second])
    with Image.open(file) as image:
        image.seek(1)
        assert decode_image("image", data=image).image.convert("L").getextrema() == (200, 200)


@pytest.mark.parametrize("is_dng", [True, False], ids=["DNG", "TIFF/EP"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_raw_file_without_its_name_is_not_read_as_its_thumbnail(is_dng: bool, order: Any) -> None:
    file = BytesIO()
    with tifffile.TiffWriter(file, byteorder=order) as writer:
        if is_dng:
            writer.write(COLOUR, photometric="rgb", extratags=[(50706, "B", 4, b"\x01\x04\x00\x00", True)])
        else:
            camera = [(271, "s", 0, "A camera", True)]
            writer.write(COLOUR, photometric="rgb", subfiletype=1, subifds=1, extratags=camera)
            writer.write(DEEP)
    with pytest.raises(ImageFileError, match="image: is a camera's raw file"):
        decode_image("image", data=file.getvalue())
