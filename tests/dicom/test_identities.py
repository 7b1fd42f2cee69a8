"""Whose image it is becomes a pseudonym before anything sees it; names are not read at all."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from sightx_cli.data.readers import decode_image
from sightx_cli.dicom import pseudonyms
from sightx_cli.dicom.pseudonyms import KEY_BYTES, KEY_FILE, are_pseudonyms_lasting, describe_key, make_pseudonym

Write = Callable[..., Path]
PIXELS = np.arange(16, dtype=np.uint16).reshape(4, 4)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the user's settings, empty, as at the first use on a machine."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    pseudonyms._load_key.cache_clear()
    yield tmp_path / "settings" / "sightx"
    pseudonyms._load_key.cache_clear()


def test_numbers_become_pseudonyms_and_names_are_not_read(write_dicom: Write, tmp_path: Path, settings: Path) -> None:
    told = {
        "PatientID": "MRN 4711-0815-42",
        "PatientName": "Miller^Ann",
        "PatientBirthDate": "19500101",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3",
        "AccessionNumber": "4712-0815-42",
        "ImageLaterality": "R",
        "Laterality": "L",
        "ViewPosition": "MLO",
    }
    found = decode_image(write_dicom(tmp_path / "a.dcm", PIXELS, **told)).found
    tags = dict(found.tags)
    assert list(tags) == ["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Laterality", "ViewPosition", "window"]
    assert tags["PatientID"] == make_pseudonym("patient", "MRN 4711-0815-42")
    assert tags["StudyInstanceUID"].removeprefix("study") != tags["SeriesInstanceUID"].removeprefix("series")
    assert (tags["Laterality"], tags["ViewPosition"]) == ("R", "MLO")
    for secret in ("-0815-42", "Miller", "Ann", "19500101", "1.2.3"):  # long: pseudonyms are chance digits
        assert secret not in str(asdict(found))


def test_a_number_that_is_against_the_rules_stands_in_no_remark(
    write_dicom: Write, tmp_path: Path, settings: Path
) -> None:
    path = write_dicom(tmp_path / "a.dcm", PIXELS, PatientID="MRN7" * 4, StudyInstanceUID="1.2.4711")
    data = path.read_bytes().replace(b"1.2.4711", b"1.2.04.1")
    found = decode_image(path, data=data.replace(b"MRN7MRN7MRN7", b"MRN7\x01MRN7\\MR")).found
    assert found.remarks == ()
    assert "MRN7" not in str(found)


@pytest.mark.filterwarnings("ignore:The value length")
def test_empty_tags_and_long_texts_are_no_groups(write_dicom: Write, tmp_path: Path, settings: Path) -> None:
    tags = {"PatientID": " ", "Laterality": "", "ViewPosition": "see the letter of Dr X"}
    path = write_dicom(tmp_path / "a.dcm", PIXELS, **tags)
    assert decode_image(path).found.tags == (("window", "none"),)


def test_blanks_around_a_number_make_no_other_patient(write_dicom: Write, tmp_path: Path, settings: Path) -> None:
    first, second = (write_dicom(tmp_path / f"{n}.dcm", PIXELS, PatientID=n) for n in ("17", " 17 "))
    assert decode_image(first).found.tags == decode_image(second).found.tags


def test_pseudonyms_are_the_same_on_one_machine_and_others_elsewhere(
    settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert describe_key() == ""
    first, key = make_pseudonym("patient", "7"), describe_key()
    pseudonyms._load_key.cache_clear()
    assert (make_pseudonym("patient", "7"), describe_key()) == (first, key)
    assert are_pseudonyms_lasting()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "elsewhere"))
    pseudonyms._load_key.cache_clear()
    assert make_pseudonym("patient", "7") != first
    assert describe_key() != key


def test_the_key_is_for_its_user_alone(settings: Path) -> None:
    make_pseudonym("patient", "7")
    assert [path.name for path in settings.iterdir()] == [KEY_FILE]
    assert len((settings / KEY_FILE).read_bytes()) == KEY_BYTES
    assert stat.S_IMODE((settings / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.stat().st_mode) == 0o700


def test_a_key_that_was_cut_short_is_replaced(settings: Path) -> None:
    settings.mkdir(parents=True)
    (settings / KEY_FILE).write_bytes(b"short")
    make_pseudonym("patient", "7")
    assert len((settings / KEY_FILE).read_bytes()) == KEY_BYTES


def test_where_no_key_can_be_kept_the_images_say_so(write_dicom: Write, tmp_path: Path, settings: Path) -> None:
    settings.parent.mkdir(parents=True)
    settings.write_text("a file in the way")
    found = decode_image(write_dicom(tmp_path / "a.dcm", PIXELS, PatientID="7")).found
    assert not are_pseudonyms_lasting()
    assert dict(found.tags)["PatientID"] == make_pseudonym("patient", "7")
    (remark,) = found.remarks
    assert remark.kind == "pseudonyms"
    assert str(settings) in remark.text
    without = decode_image(write_dicom(tmp_path / "b.dcm", PIXELS)).found
    assert without.remarks == ()
