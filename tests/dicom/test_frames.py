"""One frame is decoded, by a decoder that no damaged file can make end the process."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels import pixel_array
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from sightx_cli.data.readers import AS_IS, ImageFileError, Reading, decode_image, measure_header
from sightx_cli.dicom import gdcm_process

Write = Callable[..., Path]
SYNTAXES = ["", RLELossless, JPEGLSLossless, JPEG2000Lossless]


def draw_frames(count: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(count).integers(0, 256, (count, 40, 36)).astype(np.uint8)


def find_file(name: str) -> Path:
    """One of the files that pydicom brings."""
    return Path(str(get_testdata_file(name, download=False)))


def decode(path: Path, data: bytes | None = None, page: int | None = None) -> np.ndarray[Any, Any]:
    return np.asarray(decode_image(path, data=data, reading=Reading(page=page) if page else AS_IS).image.convert("RGB"))


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("page", [None, 1, 3])
def test_of_several_frames_the_one_asked_for_is_read(
    write_dicom: Write, tmp_path: Path, syntax: str, page: int | None
) -> None:
    frames = draw_frames(3)
    path = write_dicom(tmp_path / "a.dcm", frames, syntax)
    assert (decode(path, path.read_bytes(), page)[..., 0] == frames[(page or 1) - 1]).all()
    assert decode_image(path).found.pages == 3


def test_a_frame_that_is_not_there_is_refused_with_their_number(write_dicom: Write, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", draw_frames(3))
    for read in (decode_image, measure_header):
        with pytest.raises(ImageFileError, match=r"has 3 pages, and image\.page asks for page 4"):
            read(path, reading=Reading(page=4))


def test_each_frame_has_its_own_rule_and_window(write_dicom: Write, tmp_path: Path) -> None:
    from pydicom.dataset import Dataset

    groups = []
    for intercept, center in ((0, 100), (-1000, -900)):
        group, rule, window = Dataset(), Dataset(), Dataset()
        rule.RescaleSlope, rule.RescaleIntercept = 1, intercept
        window.WindowCenter, window.WindowWidth = center, 101
        group.PixelValueTransformationSequence, group.FrameVOILUTSequence = [rule], [window]
        groups.append(group)
    frames = np.tile(np.arange(200, dtype=np.uint16).reshape(10, 20), (2, 1, 1))
    tags = {"BitsStored": 12, "PerFrameFunctionalGroupsSequence": groups}
    path = write_dicom(tmp_path / "a.dcm", frames, **tags)
    first, second = decode(path, page=1), decode(path, page=2)
    assert (first == second).all()
    assert len(np.unique(first)) == 102
    assert dict(decode_image(path, reading=Reading(page=2)).found.tags)["window"] == "width 101, level -900"


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_file_too_large_for_memory_gives_the_same_pixels(write_dicom: Write, tmp_path: Path, syntax: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", draw_frames(3), syntax)
    assert (decode(path, None, 2) == decode(path, path.read_bytes(), 2)).all()


@pytest.mark.parametrize("syntax", ["", RLELossless, JPEG2000Lossless])
def test_colour_is_what_was_written(write_dicom: Write, tmp_path: Path, syntax: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 36, 3)).astype(np.uint8)
    assert (decode(write_dicom(tmp_path / "a.dcm", pixels, syntax)) == pixels).all()


def test_colour_of_16_bits_is_scaled_by_the_bits_it_has(write_dicom: Write, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 4096, (40, 36, 3)).astype(np.uint16)
    read = decode(write_dicom(tmp_path / "a.dcm", pixels, BitsStored=12))
    assert np.abs(read - pixels / 4095 * 255).max() <= 0.5 + 1e-4


@pytest.mark.parametrize(
    "name",
    [
        "SC_rgb_dcmtk_+eb+cy+n1.dcm",  # JPEG baseline, YBR_FULL
        "SC_rgb_dcmtk_+eb+cy+s2.dcm",  # YBR_FULL_422
        "SC_ybr_full_422_uncompressed.dcm",
        "SC_rgb_jpeg_gdcm.dcm",  # lossless JPEG
        "SC_rgb_jls_lossy_line.dcm",
        "SC_rgb_small_odd_big_endian.dcm",
        "examples_jpeg2k.dcm",  # YBR_RCT
    ],
)
def test_colour_of_every_kind_is_what_pydicom_gives(name: str) -> None:
    path = find_file(name)
    assert (decode(path) == pixel_array(path, index=0)).all()


def test_a_palette_is_looked_up_as_pydicom_does() -> None:
    from pydicom.pixels import apply_color_lut

    path = find_file("examples_palette.dcm")
    image = dcmread(path)
    colours = apply_color_lut(image.pixel_array, image)
    assert np.abs(decode(path) - colours / np.iinfo(colours.dtype).max * 255).max() <= 0.5 + 1e-4
    assert measure_header(path) == (800, 350, "RGB", 8, "DICOM")


def test_jpeg_of_12_bits_is_read_though_pydicom_asks_no_permissive_decoder() -> None:
    path = find_file("JPGExtended.dcm")
    (values,) = decode_image(path).found.values
    levels = decode(path)[..., 0]
    assert (values.low, values.high) == (0, 112)
    # pydicom's own tests name these two pixels, and the largest value is 264 of 4095
    stored = np.round(levels / 255 * 112)
    assert (stored[230, 120], levels[420, 140]) == (95, 255)


def cut_frame(image: Any, keep: int) -> bytes:
    return get_frame(image.PixelData, 0, number_of_frames=1)[:keep]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_frame_that_was_cut_short_is_refused(write_dicom: Write, tmp_path: Path, syntax: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", draw_frames(1)[0], syntax)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ImageFileError, match=r"is truncated|is a damaged DICOM file"):
        decode_image(path, data=path.read_bytes())
    with pytest.raises(ImageFileError, match=r"is truncated|is a damaged DICOM file"):
        decode_image(path)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
def test_a_frame_that_says_another_size_than_its_file_is_refused_before_it_is_decoded(
    write_dicom: Write, tmp_path: Path, syntax: str
) -> None:
    path = write_dicom(tmp_path / "a.dcm", draw_frames(1)[0], syntax)
    image = dcmread(path)
    frame, size = cut_frame(image, 10**9), struct.pack(">II" if syntax == JPEG2000Lossless else ">HH", 36, 40)
    place = frame.find(size if syntax == JPEG2000Lossless else size[2:] + size[:2])
    assert place > 0
    image.PixelData = encapsulate([frame[:place] + b"\x7f\xff" + frame[place + 2 :]])
    image.save_as(path)
    with pytest.raises(ImageFileError, match=r"36 × 40 pixels by its header, .* by its compressed data"):
        decode_image(path)


def test_more_pixels_than_are_read_are_refused_by_the_header(write_dicom: Write, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", draw_frames(1)[0], Rows=50_000, Columns=50_000)
    for read in (decode_image, measure_header):
        with pytest.raises(ImageFileError, match="2,500,000,000 pixels; at most 128,000,000"):
            read(path)


def test_damaged_lossless_jpeg_costs_its_file_and_not_the_process() -> None:
    data, seeds = find_file("SC_rgb_jpeg_gdcm.dcm").read_bytes(), range(12)
    whole = decode(Path("a.dcm"), data)
    for seed in seeds:
        damaged, draws = bytearray(data), np.random.default_rng(seed)
        start = int(draws.integers(1500, len(data) - 300))
        damaged[start : start + 200] = draws.integers(0, 256, 200).astype(np.uint8).tobytes()
        with contextlib.suppress(ImageFileError):
            decode_image("a.dcm", data=bytes(damaged))
    assert (decode(Path("a.dcm"), data) == whole).all()


def test_a_decoder_that_was_ended_while_it_waited_is_replaced() -> None:
    path = find_file("SC_rgb_jpeg_gdcm.dcm")
    whole = decode(path)
    for waiting in gdcm_process._POOL._idle:
        waiting._process.kill()
        waiting._process.wait()
    assert (decode(path) == whole).all()


def test_a_compression_that_is_not_read_is_called_by_its_name(write_dicom: Write, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", draw_frames(1)[0], RLELossless)
    data = path.read_bytes().replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.4.100\0")
    data = data.replace(b"\x10\x00UI\x14\x00", b"\x10\x00UI\x18\x00")
    with pytest.raises(ImageFileError, match="compressed as MPEG video"):
        decode_image(path, data=data)
