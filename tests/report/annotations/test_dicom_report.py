"""Structured reports of DICOM images, read back by highdicom: what they say, of whom, and how little else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from sightx_cli.data.readers import Reading
from sightx_cli.errors import UsageError
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel

Write = Callable[..., Path]
PIXELS = np.zeros((12, 10), np.uint16)
STUDIES = {"one": generate_uid(), "two": generate_uid()}
SURE, UNSURE = (0.9, 0.05, 0.05), (0.3, 0.6, 0.1)


def write(write_dicom: Write, path: Path, study: str = "one", **tags: Any) -> Path:
    whose = {"PatientID": "MRN-0815", "PatientName": "Müller^Ann", "SpecificCharacterSet": "ISO_IR 100"}
    series = {"StudyInstanceUID": STUDIES[study], "SeriesInstanceUID": generate_uid()}
    return write_dicom(path, **{"pixels": PIXELS, **whose, **series, "PatientSex": "F", **tags})


def read(path: Path) -> tuple[Any, Any]:
    """A report, and its one group."""
    report = highdicom.sr.srread(path)
    (group,) = report.content.get_image_measurement_groups()
    return report, group


def list_said(group: Any) -> dict[str, str]:
    return {one.name.meaning: one.value.meaning for one in group.get_qualitative_evaluations()}


@pytest.fixture
def report(annotate: Any, write_dicom: Write, tmp_path: Path) -> tuple[Any, Any]:
    write(write_dicom, tmp_path / "in" / "MRN-0815 Müller.dcm")
    folder = annotate("dicom-sr", [("in/MRN-0815 Müller.dcm", UNSURE, "unsure")]).folder
    return read(next(folder.glob("*.dcm")))


def test_a_report_says_class_probability_and_status_in_codes_of_a_private_scheme(report: tuple[Any, Any]) -> None:
    document, group = report
    assert list_said(group) == {
        "Predicted class": "hund, groß",
        "Status of the prediction": "unsure",
        "Intended use": "Research only, not for diagnosis",
    }
    assert {one.value.scheme_designator for one in group.get_qualitative_evaluations()} == {"99SIGHTX"}
    (measured,) = group.get_measurements()
    assert (measured.name.meaning, measured.value) == ("Probability of hund, groß", pytest.approx(0.6))
    assert document.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99SIGHTX"


def test_a_report_is_for_research_and_seen_by_nobody(report: tuple[Any, Any]) -> None:
    document, _ = report
    flags = (document.CompletionFlag, document.VerificationFlag, document.PreliminaryFlag)
    assert flags == ("COMPLETE", "UNVERIFIED", "PRELIMINARY")
    assert "research only" in document.SeriesDescription
    assert document.ContentQualification == "RESEARCH"
    assert document.ContentTemplateSequence[0].TemplateIdentifier == "1500"


def test_a_report_names_the_model_by_the_digest_of_its_bundle(report: tuple[Any, Any], tmp_path: Path) -> None:
    import hashlib

    document, _ = report
    digest = hashlib.sha256((tmp_path / "run" / "bundle" / "bundle.json").read_bytes()).hexdigest()
    assert document.DeviceSerialNumber == digest
    assert digest in str(document)
    assert "SightX run" in [str(one.value) for one in list_texts(document)]


def list_texts(document: Any) -> list[Any]:
    return [one for one in document.iterall() if one.keyword == "TextValue"]


def test_a_report_refers_to_its_image_in_its_study_in_a_series_of_its_own(
    report: tuple[Any, Any], tmp_path: Path
) -> None:
    document, group = report
    source = dcmread(tmp_path / "in" / "MRN-0815 Müller.dcm")
    (image,) = group.source_images
    assert image.referenced_sop_instance_uid == source.SOPInstanceUID
    assert image.referenced_frame_numbers is None
    assert document.StudyInstanceUID == source.StudyInstanceUID
    assert document.SeriesInstanceUID != source.SeriesInstanceUID
    assert document.SOPInstanceUID != source.SOPInstanceUID
    evidence = document.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert evidence.SeriesInstanceUID == source.SeriesInstanceUID
    assert str(document.PatientName) == "Müller^Ann"
    assert (document.PatientID, document.PatientSex) == ("MRN-0815", "F")


def test_a_report_of_an_image_without_a_patient_has_none_and_no_name_of_a_file(
    annotate: Any, write_dicom: Write, tmp_path: Path
) -> None:
    path = tmp_path / "in" / "Miller.dcm"
    write_dicom(path, PIXELS, StudyInstanceUID=generate_uid(), SeriesInstanceUID=generate_uid())
    folder = annotate("dicom-sr", [("in/Miller.dcm", SURE, "")]).folder
    made = next(folder.glob("*.dcm"))
    report, group = read(made)
    assert [str(report.get(name, "")) for name in ("PatientID", "PatientName", "PatientBirthDate")] == [""] * 3
    assert "Status of the prediction" not in list_said(group)
    assert b"Miller" not in made.read_bytes()


def test_names_in_other_scripts_and_dates_of_old_files_are_taken_over(
    annotate: Any, write_dicom: Write, tmp_path: Path
) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    old = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": name}
    with pytest.warns(UserWarning, match="Invalid value for VR"):
        write(write_dicom, tmp_path / "in/a.dcm", StudyDate="1997.04.24", StudyTime="14:04:38", **old)
    report, _ = read(next(annotate("dicom-sr", [("in/a.dcm", SURE, "")]).folder.glob("*.dcm")))
    assert str(report.PatientName) == name
    assert (report.StudyDate, report.StudyTime) == ("19970424", "140438")


@pytest.mark.parametrize(
    ("tags", "words"),
    [({"PatientBirthDate": "soon"}, "no report can take over"), ({"SOPClassUID": "1.2.3.4"}, "does not know")],
)
def test_tags_that_no_report_can_take_over_are_said_and_leave_no_half_report(
    annotate: Any, write_dicom: Write, tmp_path: Path, tags: dict[str, str], words: str
) -> None:
    import warnings

    write(write_dicom, tmp_path / "in/a.dcm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(write_dicom, tmp_path / "in/b.dcm", **tags)
    made = annotate("dicom-sr", [("in/a.dcm", SURE, ""), ("in/b.dcm", SURE, "")])
    assert [path.name for path in made.folder.glob("*.dcm")] == ["1-a.dcm"]
    assert [(one.count, one.warns) for one in made.notices] == [(1, True)]
    assert words in made.notices[0].text


def test_reports_of_a_study_share_a_series_and_count_from_1(annotate: Any, write_dicom: Write, tmp_path: Path) -> None:
    said = []
    for place, study in enumerate(("one", "two", "one")):
        write(write_dicom, tmp_path / f"in/{place}/a.dcm", study)
        said.append((f"in/{place}/a.dcm", SURE, "sure"))
    folder = annotate("dicom-sr", said).folder
    rows = (folder / "reports.csv").read_text(encoding="utf-8").splitlines()
    assert rows == ["image,report", "0/a.dcm,1-a.dcm", "1/a.dcm,2-a.dcm", "2/a.dcm,3-a.dcm"]
    first, other, second = (read(folder / row.split(",")[1])[0] for row in rows[1:])
    assert first.SeriesInstanceUID == second.SeriesInstanceUID != other.SeriesInstanceUID
    assert [int(one.InstanceNumber) for one in (first, other, second)] == [1, 1, 2]


def test_the_frame_that_was_read_is_named(annotate: Any, write_dicom: Write, tmp_path: Path) -> None:
    write(write_dicom, tmp_path / "in/a.dcm", pixels=np.zeros((3, 12, 10), np.uint16))
    folder = annotate("dicom-sr", [("in/a.dcm", SURE, "sure")], reading=Reading(2)).folder
    assert read(next(folder.glob("*.dcm")))[1].source_images[0].referenced_frame_numbers == [2]


def test_several_labels_have_a_code_and_a_probability_each_and_none_is_said(
    annotate: Any, write_dicom: Write, tmp_path: Path, two_labels: MultiLabel
) -> None:
    for name in "ab":
        write(write_dicom, tmp_path / f"in/{name}.dcm")
    folder = annotate("dicom-sr", [("in/a.dcm", (0.9, 0.8), ""), ("in/b.dcm", (0.1, 0.1), "")], two_labels).folder
    both, none = (read(folder / f"{name}.dcm")[1] for name in ("1-a", "2-b"))
    classes = [one.value.meaning for one in both.get_qualitative_evaluations() if one.name.meaning == "Predicted class"]
    assert classes == ["round", "straight"]
    assert [one.name.meaning for one in both.get_measurements()] == ["Probability of round", "Probability of straight"]
    assert (list_said(none)["Predicted class"], none.get_measurements()) == ("none", [])


def test_names_of_classes_that_dicom_cannot_hold_are_written_as_near_as_it_can(
    annotate: Any, write_dicom: Write, tmp_path: Path
) -> None:
    write(write_dicom, tmp_path / "in/a.dcm")
    task = SingleLabel(("犬\\ö " + "x" * 90, "other"))
    folder = annotate("dicom-sr", [("in/a.dcm", (0.9, 0.1), "")], task).folder
    report, group = read(next(folder.glob("*.dcm")))
    said = list_said(group)["Predicted class"]
    assert said.startswith("犬/ö xxx")
    assert said.endswith("x...")
    assert len(said.encode()) == 64
    assert any(task.classes[0] in str(one.value) for one in list_texts(report))


def test_other_files_have_no_report_and_those_that_cannot_have_one_are_said(
    annotate: Any, write_dicom: Write, write_photo: Callable[..., Path], tmp_path: Path
) -> None:
    write(write_dicom, tmp_path / "in/a.dcm")
    write_dicom(tmp_path / "in/b.dcm", PIXELS)
    write_photo(tmp_path / "in/c.png")
    made = annotate("dicom-sr", [(f"in/{name}", SURE, "sure") for name in ("a.dcm", "b.dcm", "c.png")])
    assert [path.name for path in made.folder.glob("*.dcm")] == ["1-a.dcm"]
    assert [(one.count, one.warns) for one in made.notices] == [(1, False), (1, True)]
    assert "lacks SeriesInstanceUID" in made.notices[1].text


def test_images_of_which_none_is_dicom_are_refused(
    annotate: Any, write_photo: Callable[..., Path], tmp_path: Path
) -> None:
    write_photo(tmp_path / "in/c.png")
    with pytest.raises(UsageError, match="found 1 image, none of which is DICOM"):
        annotate("dicom-sr", [("in/c.png", SURE, "sure")])
    assert not (tmp_path / "out").exists()
