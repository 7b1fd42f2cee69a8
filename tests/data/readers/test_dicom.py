"""DICOM among the readers: what is an image is read, what is none is called by its name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EncapsulatedPDFStorage,
    ExplicitVRBigEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    RTDoseStorage,
    SegmentationStorage,
)

from sightx_cli.data.readers import ImageFileError, check_image, decode_image, find_reader, measure_header
from sightx_cli.data.readers.dicom import DicomReader

Write = Callable[..., Path]
PIXELS = np.random.default_rng(0).integers(0, 4096, (40, 36)).astype(np.uint16)


def find_file(name: str) -> Path:
    return Path(str(get_testdata_file(name, download=False)))


@pytest.mark.parametrize("name", ["a.dcm", "A.DCM", "a.ima", "IM00001", "a.jpg", "1.2.840.113619"])
def test_a_file_is_told_by_its_bytes_whatever_it_is_called(write_dicom: Write, tmp_path: Path, name: str) -> None:
    path = write_dicom(tmp_path / name, PIXELS, BitsStored=12)
    assert measure_header(path) == (36, 40, "I;16", 12, "DICOM")
    assert decode_image(path).image.size == (36, 40)


def test_a_file_that_begins_as_tiff_is_dicom_all_the_same(write_dicom: Write, tmp_path: Path) -> None:
    data = write_dicom(tmp_path / "a.dcm", PIXELS).read_bytes()
    assert isinstance(find_reader("a.tif", b"II*\0" + data[4:]), DicomReader)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
def test_every_uncompressed_encoding_gives_the_same_pixels(write_dicom: Write, tmp_path: Path, syntax: str) -> None:
    plain = write_dicom(tmp_path / "a.dcm", PIXELS, BitsStored=12)
    image = dcmread(plain)
    if syntax == ExplicitVRBigEndian:
        image.PixelData = PIXELS.astype(">u2").tobytes()
    image.file_meta.TransferSyntaxUID = syntax
    encoding = {"implicit_vr": syntax == ImplicitVRLittleEndian, "little_endian": syntax != ExplicitVRBigEndian}
    dcmwrite(tmp_path / "b.dcm", image, **encoding, force_encoding=True)
    for data in (None, (tmp_path / "b.dcm").read_bytes()):
        assert decode_image(tmp_path / "b.dcm", data=data) == decode_image(plain)


def test_a_file_without_preamble_and_header_is_read(write_dicom: Write, tmp_path: Path) -> None:
    plain = write_dicom(tmp_path / "a.dcm", PIXELS, BitsStored=12)
    image = dcmread(plain)
    image.preamble, image.file_meta = None, type(image.file_meta)()
    image.save_as(tmp_path / "IM1", implicit_vr=True, little_endian=True)
    assert (tmp_path / "IM1").read_bytes()[128:132] != b"DICM"
    assert decode_image(tmp_path / "IM1") == decode_image(plain)


def test_a_deflated_file_that_would_fill_the_memory_is_refused(
    write_dicom: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sightx_cli.dicom.dataset.INFLATED_BYTES", 2000)
    image = dcmread(write_dicom(tmp_path / "a.dcm", np.zeros((100, 100), np.uint16)))
    image.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    image.save_as(tmp_path / "b.dcm", enforce_file_format=True)
    with pytest.raises(ImageFileError, match="deflated DICOM file of more than 2,000 bytes"):
        decode_image(tmp_path / "b.dcm")


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("test-SR.dcm", "is a DICOM structured report, no image"),
        ("rtplan.dcm", "is a DICOM plan or record of radiotherapy, no image"),
        ("rtstruct.dcm", "is a DICOM structure set of radiotherapy, no image"),
        ("rtdose.dcm", "is a DICOM dose of radiotherapy, no image"),
        ("liver_1frame.dcm", "is a DICOM segmentation (a mask of another image), no image"),
        ("waveform_ecg.dcm", "is a DICOM waveform, no image"),
        ("priv_SQ.dcm", "is a DICOM file without an image (it calls itself MR Image)"),
        ("DICOMDIR", "is a DICOM directory (DICOMDIR), no image"),
    ],
)
def test_what_is_no_image_is_called_what_it_is(name: str, called: str) -> None:
    path = find_file(name)
    for read in (decode_image, check_image, measure_header):
        with pytest.raises(ImageFileError) as caught:
            read(path, data=path.read_bytes())
        assert caught.value.reason == called


@pytest.mark.parametrize(
    ("sop_class", "called"),
    [
        (EncapsulatedPDFStorage, "is a DICOM document, no image"),
        (GrayscaleSoftcopyPresentationStateStorage, "is a DICOM presentation state, no image"),
        (RTDoseStorage, "is a DICOM dose of radiotherapy, no image"),
        (SegmentationStorage, "is a DICOM segmentation (a mask of another image), no image"),
        ("1.2.3.4", "is a DICOM file without an image"),
    ],
)
def test_what_belongs_to_another_image_is_called_what_it_is(
    write_dicom: Write, tmp_path: Path, sop_class: str, called: str
) -> None:
    path = write_dicom(tmp_path / "a.dcm", PIXELS, SOPClassUID=sop_class)
    image = dcmread(path)
    if sop_class not in (RTDoseStorage, SegmentationStorage):
        del image.PixelData
    image.save_as(path)
    with pytest.raises(ImageFileError) as caught:
        decode_image(path)
    assert caught.value.reason == called


def test_one_frame_of_one_value_is_blank(write_dicom: Write, tmp_path: Path) -> None:
    assert decode_image(write_dicom(tmp_path / "a.dcm", np.full((20, 20), 7, np.uint16))).found.blank
    assert not decode_image(write_dicom(tmp_path / "b.dcm", PIXELS)).found.blank


def test_checking_finds_what_reading_finds(write_dicom: Write, tmp_path: Path) -> None:
    for tags in ({}, {"WindowCenter": 100, "WindowWidth": 50, "PatientID": "7"}):
        path = write_dicom(tmp_path / "a.dcm", PIXELS, BitsStored=12, **tags)
        assert check_image(path) == decode_image(path).found


def test_empty_and_missing_files_are_called_so(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").touch()
    with pytest.raises(ImageFileError, match="is empty"):
        decode_image(tmp_path / "a.dcm")
    with pytest.raises(ImageFileError, match="cannot be read: No such file"):
        decode_image(tmp_path / "b.dcm")


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
from sightx_cli.data.readers import ImageFileError, decode_image
for path in sys.argv[2:]:
    try:
        decode_image(path)
    except ImageFileError as error:
        print(error.reason, "|", error.hint)
"""


@pytest.mark.parametrize(
    ("missing", "name", "said"),
    [
        ("pydicom", "CT_small.dcm", "is a DICOM file, and the reader of DICOM is not installed"),
        ("pylibjpeg", "examples_jpeg2k.dcm", "compressed as JPEG 2000, and the decoder of that is not installed"),
        ("openjpeg", "examples_jpeg2k.dcm", "the reader of DICOM cannot be loaded (import of openjpeg halted"),
        ("jpeg_ls", "JPEGLSNearLossless_08.dcm", "compressed as JPEG-LS, and the decoder of that is not installed"),
        ("gdcm", "SC_rgb_jpeg_gdcm.dcm", "lossless or 12-bit JPEG, and the decoder of that is not installed"),
    ],
)
def test_what_is_not_installed_is_said_with_what_to_type(missing: str, name: str, said: str) -> None:
    command = [sys.executable, "-c", WITHOUT, missing, str(find_file(name))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said in done.stdout
    assert done.stdout.endswith('| install the reader: pip install "sightx-cli[medical]"\n')


def test_pydicom_is_loaded_by_the_first_such_file_and_by_no_other(
    write_photo: Write, write_dicom: Write, tmp_path: Path
) -> None:
    photo = write_photo(tmp_path / "a.jpg")
    image = write_dicom(tmp_path / "a.dcm", PIXELS)
    code = (
        "import sys\nfrom sightx_cli.data.readers import read_image\n"
        "for path in sys.argv[1:]: read_image(path); print('pydicom' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(photo), str(image)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\nTrue\n"
