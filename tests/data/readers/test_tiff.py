"""TIFF with any number of bands, any depth, stacks: read as asked for, or refused by the name of what it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from sightx_cli.data.readers import (
    AS_IS,
    READERS,
    ImageFileError,
    Reading,
    check_image,
    decode_image,
    measure_header,
    read_image,
)

GRADIENT = np.tile(np.linspace(0, 250, 48).astype(np.uint8), (32, 1))
"""(32, 48)."""


def write(path: Path, values: np.ndarray, **how: Any) -> Path:
    tifffile.imwrite(path, values, **how)
    return path


def stack_bands(count: int, dtype: Any = np.uint8) -> np.ndarray:
    """Bands (32, 48, count) that differ: each a gradient of its own height."""
    return np.dstack([GRADIENT // (number + 1) for number in range(count)]).astype(dtype)


def pixels(path: Path, reading: Reading = AS_IS) -> np.ndarray:
    return np.asarray(read_image(path, reading=reading)).astype(int)


BANDS = {"photometric": "minisblack", "planarconfig": "contig"}


def test_five_bands_are_refused_by_name_with_what_to_type(tmp_path: Path) -> None:
    path = write(tmp_path / "five.tif", stack_bands(5, np.float32), **BANDS)
    for read in (check_image, read_image, measure_header):
        with pytest.raises(ImageFileError) as caught:
            read(path)
        assert "a TIFF with 5 bands of 32-bit float" in caught.value.reason
        assert "--set image.bands=[3,2,1]" in caught.value.hint


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"tile": (16, 16)},
        {"compression": "zlib", "predictor": True},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"planarconfig": "separate"},
    ],
    ids=str,
)
def test_the_bands_asked_for_become_red_green_and_blue(tmp_path: Path, how: dict[str, Any]) -> None:
    values = stack_bands(5)
    if how.get("planarconfig") == "separate":
        path = write(tmp_path / "five.tif", np.moveaxis(values, 2, 0).copy(), **BANDS | how)
    else:
        path = write(tmp_path / "five.tif", values, **BANDS | how)
    assert np.array_equal(pixels(path, Reading(bands=(4, 1, 2))), values[..., [3, 0, 1]])
    assert measure_header(path, None, Reading(bands=(4, 1, 2))) == (48, 32, "5 bands", 8, "TIFF")


def test_one_band_is_grey_and_two_are_red_and_green(tmp_path: Path) -> None:
    path = write(tmp_path / "five.tif", stack_bands(5), **BANDS)
    grey, two = pixels(path, Reading(bands=(2,))), pixels(path, Reading(bands=(1, 3)))
    assert all(np.array_equal(grey[..., place], GRADIENT // 2) for place in range(3))
    assert np.array_equal(two, np.dstack([GRADIENT, GRADIENT // 3, np.zeros_like(GRADIENT)]))


def test_a_band_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "five.tif", stack_bands(5), **BANDS)
    with pytest.raises(ImageFileError, match=r"has no band 6: it is a TIFF with 5 bands of 8 bits"):
        read_image(path, reading=Reading(bands=(6,)))


def test_two_bands_are_both_shown_and_that_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "two.tif", stack_bands(2), **BANDS)
    decoded = decode_image(path)
    assert np.array_equal(np.asarray(decoded.image)[..., 1], GRADIENT // 2)
    assert [remark.text for remark in decoded.found.remarks] == ["2 bands, shown as red and green"]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_infrared_beside_the_colours_is_left_out_with_a_warning(tmp_path: Path, dtype: Any) -> None:
    path = write(tmp_path / "nir.tif", stack_bands(4, dtype), photometric="rgb", extrasamples=["unspecified"])
    decoded = decode_image(path, reading=Reading(ranges=(("whole numbers", 0.0, 255.0),)))
    assert np.array_equal(np.asarray(decoded.image), stack_bands(3))
    (remark,) = decoded.found.remarks
    assert remark.warns
    assert "a fourth band beside red, green and blue" in remark.text
    assert "--set image.bands=[4]" in remark.advice


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_colour_is_scaled_alike_in_all_its_bands(tmp_path: Path, dtype: Any) -> None:
    path = write(tmp_path / "deep.tif", (stack_bands(3).astype(np.float64) * 100).astype(dtype), photometric="rgb")
    kind = "fractions" if dtype is np.float32 else "whole numbers"
    scaled = pixels(path, Reading(ranges=((kind, 0.0, 25_500.0),)))
    assert abs(scaled - stack_bands(3)).max() <= 1
    own = decode_image(path)
    assert [values.kind for values in own.found.values] == [kind]
    assert np.asarray(own.image)[..., 0].max() == 255
    assert 120 <= np.asarray(own.image)[..., 1].max() <= 132  # still half as bright as red


def test_bands_that_are_no_colours_have_a_range_each(tmp_path: Path) -> None:
    path = write(tmp_path / "dyes.tif", stack_bands(5, np.uint16), **BANDS)
    found = decode_image(path, reading=Reading(bands=(1, 4))).found
    assert [values.kind for values in found.values] == ["whole numbers, band 1", "whole numbers, band 4"]
    ranges = (("whole numbers, band 1", 0.0, 510.0), ("whole numbers, band 4", 0.0, 62.0))
    shown = pixels(path, Reading(bands=(1, 4), ranges=ranges))
    assert abs(shown[..., 0] - GRADIENT // 2).max() <= 1
    assert shown[..., 1].max() == 255


def test_a_stack_s_page_is_read_and_its_pages_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    first, *rest = (Image.fromarray(GRADIENT // (number + 1)) for number in range(4))
    first.save(path, save_all=True, append_images=rest)
    assert decode_image(path).found.pages == 4
    assert np.array_equal(pixels(path)[..., 0], GRADIENT)
    assert np.array_equal(pixels(path, Reading(page=3))[..., 0], GRADIENT // 3)
    with pytest.raises(ImageFileError, match=r"has 4 pages, and image\.page asks for page 5"):
        check_image(path, None, Reading(page=5))


def test_pages_that_are_bands_are_shown_in_colour_where_bands_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.tif", np.moveaxis(stack_bands(5), 2, 0).copy(), photometric="minisblack")
    assert decode_image(path).found.pages == 5
    assert np.array_equal(pixels(path, Reading(bands=(3, 2, 1))), stack_bands(3)[..., ::-1])


@pytest.mark.parametrize("how", [{"imagej": True}, {"ome": True}], ids=["ImageJ", "OME"])
def test_a_hyperstack_s_channels_are_bands_and_its_slices_pages(tmp_path: Path, how: dict[str, bool]) -> None:
    planes = np.stack([stack_bands(2, np.uint16) + 100 * number for number in range(3)]).transpose(0, 3, 1, 2)
    path = write(tmp_path / "hyper.tif", planes.copy(), metadata={"axes": "ZCYX"}, **how)
    ranges = tuple((f"whole numbers, band {band}", 0.0, 510.0) for band in (1, 2))
    found = decode_image(path, reading=Reading(ranges=ranges)).found
    assert (found.pages, [remark.kind for remark in found.remarks]) == (3, ["bands"])
    second = pixels(path, Reading(page=2, ranges=ranges))
    assert abs(second[..., 1] * 2 - planes[1, 1]).max() <= 2


@pytest.mark.parametrize(
    "how", [{"volumetric": True, "tile": (16, 16, 16)}, {"imagej": True, "metadata": None}], ids=str
)
def test_planes_within_one_page_are_counted_too(tmp_path: Path, how: dict[str, Any]) -> None:
    planes = np.stack([GRADIENT // (number + 1) for number in range(16)])
    path = tmp_path / "volume.tif"
    if "imagej" in how:  # as ImageJ writes stacks of more than 4 GB: one page, and the others behind it
        description = "ImageJ=1.53t\nimages=16\nslices=16\n"
        write(path, planes[0], description=description, metadata=None)
        with tifffile.TiffFile(path) as file:
            assert file.pages[0].dataoffsets[0] + GRADIENT.size == path.stat().st_size
        with path.open("ab") as file:
            file.write(planes[1:].tobytes())
    else:
        write(path, planes, **how)
    assert decode_image(path).found.pages == 16
    assert np.array_equal(pixels(path, Reading(page=4))[..., 0], GRADIENT // 4)


def test_the_smaller_copies_of_a_pyramid_are_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(stack_bands(3), photometric="rgb")
        file.write(stack_bands(3)[::2, ::2].copy(), photometric="rgb", subfiletype=1)
    assert decode_image(path).found.pages == 1


def test_many_bands_are_turned_upright(tmp_path: Path) -> None:
    path = write(tmp_path / "turned.tif", stack_bands(5), **BANDS, extratags=[(274, 3, 1, 6, True)])
    reading = Reading(bands=(1, 2, 3))
    assert np.array_equal(pixels(path, reading), np.rot90(stack_bands(3), -1))
    assert measure_header(path, None, reading)[:2] == (32, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_file_on_disk_is_turned_as_its_bytes_are(tmp_path: Path, orientation: int, compression: str | None) -> None:
    path = tmp_path / "turned.tif"
    Image.fromarray(GRADIENT).save(path, compression=compression, tiffinfo={274: orientation})
    reader = READERS["tiff"]
    on_disk, in_memory = (np.asarray(reader.read(path, data=data).image) for data in (None, path.read_bytes()))
    assert np.array_equal(on_disk, in_memory)
    assert measure_header(path)[:2] == read_image(path).size == ((48, 32) if orientation < 5 else (32, 48))


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.uint32, np.uint64, np.int16, np.int8])
def test_other_depths_span_black_to_white(tmp_path: Path, dtype: Any) -> None:
    path = write(tmp_path / "deep.tif", (GRADIENT // 2).astype(dtype), photometric="minisblack")
    row = pixels(path)[0, :, 0]
    assert (row[0], row[-1]) == (0, 255)
    assert (np.diff(row) >= 0).all()


def test_pixels_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "waves.tif", GRADIENT.astype(np.complex64))
    with pytest.raises(ImageFileError, match="cannot be shown"):
        check_image(path)


def test_many_bands_that_are_cut_off_are_found(tmp_path: Path) -> None:
    path = write(tmp_path / "five.tif", stack_bands(5), **BANDS)
    path.write_bytes(path.read_bytes()[:-500])
    for read in (check_image, read_image):
        with pytest.raises(ImageFileError, match="truncated"):
            read(path, None, reading=Reading(bands=(1, 2, 3)))


def test_what_only_begins_as_a_tiff_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(range(200)))
    with pytest.raises(ImageFileError, match="begins as a TIFF"):
        check_image(tmp_path / "a.tif")


def test_a_packing_that_needs_another_package_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "five.tif", stack_bands(5), **BANDS)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags["Compression"].valueoffset
    data[place : place + 2] = (34887).to_bytes(2, "little")  # LERC
    path.write_bytes(data)
    with pytest.raises(ImageFileError, match=r"compressed by LERC.* takes the package imagecodecs"):
        check_image(path, None, Reading(bands=(1,)))


def test_an_alpha_that_a_tiff_declares_is_transparency(tmp_path: Path) -> None:
    values = stack_bands(4, np.uint16) * 200
    values[..., 3] = 65_535
    values[:16, :, 3] = 0
    path = write(tmp_path / "cut-out.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    decoded = decode_image(path)
    assert (np.asarray(decoded.image)[:16] == 255).all()
    assert [remark.text for remark in decoded.found.remarks] == ["transparent parts, laid over white"]
