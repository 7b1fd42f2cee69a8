"""Grey becomes what pydicom's own functions give, brought to 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from sightx_cli.data.readers import Reading, Values, decode_image, depth
from sightx_cli.data.readers import dicom as reader
from sightx_cli.dicom.intensities import PERCENTILES, find_window, list_strips, measure_range

Write = Callable[..., Path]
WINDOW = {"WindowCenter": 40, "WindowWidth": 400}
HOUNSFIELD = {"RescaleSlope": 1, "RescaleIntercept": -1024}


def draw(bits: int, signed: bool = False) -> np.ndarray[Any, Any]:
    """Values of so many bits, the least and the largest among them: (40, 36)."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    values = np.random.default_rng(bits).integers(low, high + 1, (40, 36))
    values[0, :2] = low, high
    return values.astype(np.int16 if signed else np.uint16 if bits > 8 else np.uint8)


def read_levels(path: Path, reading: Reading | None = None) -> np.ndarray[Any, Any]:
    pixels = np.asarray(decode_image(path, reading=reading or Reading()).image.convert("RGB"))
    assert (pixels[..., :1] == pixels).all()
    return pixels[..., 0].astype(np.float64)


def expect(path: Path, low: float, high: float) -> np.ndarray[Any, Any]:
    """What pydicom's functions give, with low to high brought to 0 to 255, before rounding."""
    image = dcmread(path)
    values = np.asarray(apply_voi_lut(apply_modality_lut(image.pixel_array, image), image), np.float64)
    levels = np.clip((values - low) / (high - low), 0, 1) * 255
    return 255 - levels if image.PhotometricInterpretation == "MONOCHROME1" else levels


def find_output(path: Path) -> tuple[float, float]:
    """The range of pydicom's windows: all values that may be stored, after the modality rule (PS3.3 C.11.2.1.2)."""
    image = dcmread(path)
    half = 2 ** (image.BitsStored - 1)
    ends = np.array([-half, half - 1] if image.PixelRepresentation else [0, 2 * half - 1])
    low, high = np.asarray(apply_modality_lut(ends, image), np.float64)
    return float(low), float(high)


@pytest.mark.parametrize("syntax", ["", RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("bits", "signed"), [(12, False), (16, False), (16, True)])
def test_a_window_gives_what_pydicom_gives(
    write_dicom: Write, tmp_path: Path, syntax: str, photometric: str, bits: int, signed: bool
) -> None:
    tags = {"BitsStored": bits, "PhotometricInterpretation": photometric, **WINDOW, **HOUNSFIELD}
    path = write_dicom(tmp_path / "a.dcm", draw(bits, signed), syntax, **tags)
    assert np.abs(read_levels(path) - expect(path, *find_output(path))).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("syntax", ["", RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(("bits", "signed"), [(12, False), (16, False), (16, True)])
def test_without_a_window_values_are_scaled_by_the_range_of_the_set(
    write_dicom: Write, tmp_path: Path, syntax: str, photometric: str, bits: int, signed: bool
) -> None:
    tags = {"BitsStored": bits, "PhotometricInterpretation": photometric, **HOUNSFIELD}
    path = write_dicom(tmp_path / "a.dcm", draw(bits, signed), syntax, **tags)
    levels = read_levels(path, Reading(ranges=(("Hounsfield units", -500.0, 1300.0),)))
    assert np.abs(levels - expect(path, -500, 1300)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    "window",
    [
        {"VOILUTFunction": "SIGMOID", **WINDOW},
        {"VOILUTFunction": "LINEAR_EXACT", **WINDOW},
        {"WindowCenter": [40, -600], "WindowWidth": [400, 1500]},
        {"WindowCenter": 1000.5, "WindowWidth": 1},
    ],
    ids=["sigmoid", "exact", "the first of two", "narrow"],
)
def test_every_kind_of_window_gives_what_pydicom_gives(
    write_dicom: Write, tmp_path: Path, window: dict[str, Any]
) -> None:
    path = write_dicom(tmp_path / "a.dcm", draw(12), BitsStored=12, **HOUNSFIELD, **window)
    assert np.abs(read_levels(path) - expect(path, *find_output(path))).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("slope", [2.5, -1.0])
def test_a_window_after_any_slope_gives_what_pydicom_gives(write_dicom: Write, tmp_path: Path, slope: float) -> None:
    tags = {"BitsStored": 12, "RescaleSlope": slope, "RescaleIntercept": 100, **WINDOW}
    path = write_dicom(tmp_path / "a.dcm", draw(12), **tags)
    assert np.abs(read_levels(path) - expect(path, *find_output(path))).max() <= 0.5 + 1e-9


def make_table(bits: int, values: np.ndarray[Any, Any], first: int = 0) -> Dataset:
    table = Dataset()
    table.LUTDescriptor = [len(values), first, bits]
    table.LUTData = values.astype("<u2").tobytes()
    table["LUTData"].VR = "OW"
    return table


@pytest.mark.parametrize("bits", [10, 16])
def test_a_table_in_place_of_a_window_gives_what_pydicom_gives(write_dicom: Write, tmp_path: Path, bits: int) -> None:
    curve = ((np.arange(4096) / 4095) ** 2 * (2**bits - 1)).astype(np.uint16)
    path = write_dicom(tmp_path / "a.dcm", draw(12), BitsStored=12, VOILUTSequence=[make_table(bits, curve)], **WINDOW)
    assert np.abs(read_levels(path) - expect(path, 0, 2**bits - 1)).max() <= 0.5 + 1e-9
    assert dict(decode_image(path).found.tags)[reader.WINDOW] == "a table of its own"


def test_a_table_after_a_modality_rule_is_looked_up_by_whole_numbers(write_dicom: Write, tmp_path: Path) -> None:
    rescaled = {"RescaleSlope": 1, "RescaleIntercept": -24}
    tables = [make_table(12, np.arange(4096)[::-1], -2048 - 24)]
    path = write_dicom(tmp_path / "a.dcm", draw(12, signed=True), BitsStored=12, VOILUTSequence=tables, **rescaled)
    assert np.abs(read_levels(path) - (2047 - dcmread(path).pixel_array) / 4095 * 255).max() <= 0.5 + 1e-9
    assert decode_image(path).found.remarks == ()


def test_a_table_of_the_modality_goes_before_the_window(write_dicom: Write, tmp_path: Path) -> None:
    curve = (np.sqrt(np.arange(4096) / 4095) * 65535).astype(np.uint16)
    tags = {"ModalityLUTSequence": [make_table(16, curve)], "WindowCenter": 40000, "WindowWidth": 30000}
    path = write_dicom(tmp_path / "a.dcm", draw(12), BitsStored=12, **tags)
    assert np.abs(read_levels(path) - expect(path, 0, 65535)).max() <= 0.5 + 1e-9


def test_a_range_that_was_asked_for_goes_before_the_window(write_dicom: Write, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", draw(12), BitsStored=12, **HOUNSFIELD, **WINDOW)
    levels = read_levels(path, Reading(asked=(-1350.0, 150.0)))
    values = dcmread(path).pixel_array - 1024.0
    assert np.abs(levels - np.clip((values + 1350) / 1500, 0, 1) * 255).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    "window",
    [{"WindowCenter": 40, "WindowWidth": 0}, {"WindowCenter": 40}, {**WINDOW, "VOILUTFunction": "CUBIC"}],
    ids=["no width", "half of one", "unknown"],
)
def test_a_window_that_makes_no_sense_is_none(write_dicom: Write, tmp_path: Path, window: dict[str, Any]) -> None:
    path = write_dicom(tmp_path / "a.dcm", draw(12), BitsStored=12, **window)
    assert find_window(dcmread(path)) == ""
    assert decode_image(path).found.values[0].kind == "DICOM values (CT)"


def test_grey_of_8_bits_without_a_window_stays_as_it_is(write_dicom: Write, tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", draw(8) // 2)
    assert (read_levels(path, Reading(asked=(0.0, 50.0))) == dcmread(path).pixel_array).all()
    assert decode_image(path).found.values == ()


def test_a_frame_without_a_range_is_cut_as_other_deep_grey_is() -> None:
    assert PERCENTILES == depth.PERCENTILES


def test_padding_does_not_set_the_range(write_dicom: Write, tmp_path: Path) -> None:
    values = np.linspace(-1000, 1000, 400).reshape(20, 20).round().astype(np.int16)
    values[:8] = -2000
    rescaled = {"RescaleSlope": 1, "RescaleIntercept": -24}
    for padding in (-2000, 65536 - 2000):  # many writers note it as unsigned
        path = write_dicom(tmp_path / f"{padding}.dcm", values, **rescaled)
        image = dcmread(path)
        image.add_new("PixelPaddingValue", "SS" if padding < 0 else "US", padding)
        image.save_as(path)
        (found,) = decode_image(path).found.values
        assert found.kind == "Hounsfield units"
        assert found.low == pytest.approx(np.percentile(values[8:], PERCENTILES[0]) - 24, abs=6)


def test_the_kind_of_values_is_that_of_the_modality(write_dicom: Write, tmp_path: Path) -> None:
    made = write_dicom(tmp_path / "a.dcm", draw(12), Modality="MR")
    (found,) = decode_image(made).found.values
    assert found == Values("DICOM values (MR)", found.low, found.high)


def test_the_range_of_weighted_values_is_that_of_as_many_values() -> None:
    values, weights = np.array([5.0, 1.0, 9.0]), np.array([100, 1, 899])
    assert measure_range(values, weights) == (5.0, 9.0)
    assert measure_range(np.array([7.0, np.nan]), np.array([3, 5])) == (7.0, 7.0)
    with pytest.raises(ValueError, match="no finite value"):
        measure_range(np.array([np.inf]), np.array([1]))


def test_strips_cover_every_row_once() -> None:
    strips = list_strips(np.empty((5, 1_000_000), np.uint8))
    assert strips == [(0, 2), (2, 4), (4, 5)]
