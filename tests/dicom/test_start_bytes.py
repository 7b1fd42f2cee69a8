"""A DICOM file is told by its first bytes, whatever it is called and whether or not it has a preamble."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.data import get_testdata_file

from sightx_cli.dicom.start_bytes import is_dicom_start

PREAMBLE = 132


def test_a_file_with_a_preamble_is_told_also_where_it_begins_as_tiff(
    write_dicom: Callable[..., Path], tmp_path: Path
) -> None:
    data = write_dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint16)).read_bytes()
    assert is_dicom_start(data[:512])
    assert is_dicom_start(b"II*\0" + data[4:512])


@pytest.mark.parametrize("start", [0, PREAMBLE])
def test_a_file_without_a_preamble_is_told_by_its_elements(
    write_dicom: Callable[..., Path], tmp_path: Path, start: int
) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint16), PatientID="7")
    assert is_dicom_start(path.read_bytes()[start : start + 512])


@pytest.mark.parametrize("name", ["ExplVR_LitEndNoMeta.dcm", "no_meta_group_length.dcm"])
def test_old_files_are_told(name: str) -> None:
    path = Path(str(get_testdata_file(name, download=False)))
    assert is_dicom_start(path.read_bytes()[:512])


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "bmp", "gif", "webp", "ppm"])
def test_no_picture_is_taken_for_one(tmp_path: Path, suffix: str) -> None:
    for size in ((1, 1), (40, 30)):
        Image.new("RGB", size, "red").save(tmp_path / f"a.{suffix}")
        assert not is_dicom_start((tmp_path / f"a.{suffix}").read_bytes()[:512])


@given(st.binary(max_size=512))
def test_chance_is_no_file(start: bytes) -> None:
    assert not is_dicom_start(start)
    assert not is_dicom_start(b"\x08\0" + start)
