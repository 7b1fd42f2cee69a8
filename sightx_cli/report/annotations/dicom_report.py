"""DICOM Structured Reports of what a model says of DICOM images: TID 1500 in a Comprehensive SR, for research.

Each report is of one image. It refers to it (and to the frame that was read), lies in its study in a series of its own,
and copies what the image says of patient and study, nothing else: no path and no name of a file. It is COMPLETE,
UNVERIFIED and PRELIMINARY (PS3.3 C.17.2), for no person has seen it. Classes are codes of the private scheme 99SIGHTX.
"""

from __future__ import annotations

import csv
import hashlib
import re
import uuid
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sightx_cli.data.cells import shield_cell
from sightx_cli.data.readers.pillow_file import MAX_PIXELS, read_start
from sightx_cli.dicom.dataset import open_dataset
from sightx_cli.dicom.failures import DicomError, explaining
from sightx_cli.dicom.remarks import hearing_remarks, shorten_remark
from sightx_cli.dicom.start_bytes import is_dicom_start
from sightx_cli.errors import UsageError
from sightx_cli.progress import Notice
from sightx_cli.report.annotations.interface import Annotated, Annotation, AnnotationFormat, Written, name_count
from sightx_cli.report.heatmap_folder import clean_name
from sightx_cli.version import VERSION

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SCHEME = "99SIGHTX"
"""Of codes that are ours: PS3.16 8.2 reserves 99 for private ones."""
SERIES_NUMBER = 9901
SERIES_DESCRIPTION = "SightX classification, research only"
INDEX = "reports.csv"
LONGEST_MEANING = 64
"""Bytes of a code's meaning: the standard's limit (LO) is as many letters, but some readers count bytes."""
START_BYTES = 512

PATIENT_AND_STUDY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""What every report must have, and may have empty (type 2)."""
SEPARATORS = {"DA": ".", "TM": ":"}
"""What stood between the parts of dates and times before DICOM."""
UTF_8 = "ISO_IR 192"
"""DICOM's name of it."""
IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
"""Without which an image cannot be referred to."""


@dataclass
class _Series:
    """The reports of each study: one series, whose reports count from 1."""

    identifiers: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def find(self, study: str) -> tuple[str, int]:
        """Return the identifier of a study's series, and the number of its next report."""
        self.counts[study] += 1
        return self.identifiers.setdefault(study, build_identifier()), self.counts[study]


class DicomReport(AnnotationFormat):
    """Writes a report for each DICOM image; other images have none, which is said."""

    name: ClassVar[str] = "dicom-sr"
    title: ClassVar[str] = "DICOM Structured Report"
    package: ClassVar[str] = "highdicom"
    extra: ClassVar[str] = "structured-report"

    def check_images(self, paths: Sequence[str]) -> None:
        """Refuse files of which none is DICOM."""
        if not any(is_dicom(path) for path in paths):
            raise UsageError(
                f"--into {self.name}: found {name_count(len(paths))}, none of which is DICOM",
                "leave --into out, or name another format: labelme, coco, fiftyone, labelstudio",
            )

    def write(self, annotated: Annotated, folder: Path) -> Written:
        """Write the reports, and a list that says which is of which file."""
        images = sorted(annotated.images, key=lambda image: image.relative)
        dicom = [image for image in images if is_dicom(image.path)]
        series, refused = _Series(), Counter[str]()
        rows: list[tuple[str, str]] = []
        digits = len(str(len(dicom)))
        for number, image in enumerate(dicom, 1):
            path = folder / f"{number:0{digits}d}-{clean_name(Path(image.path).stem)}.dcm"
            if reason := write_structured_report(image, annotated, series, path):
                refused[reason] += 1
            else:
                rows.append((image.relative, path.name))
        if not rows:
            why = min(refused) if refused else "that is DICOM cannot be read"
            raise UsageError(
                f"--into {self.name}: no report can be made: each image {why}",
                "repeat the command with --resume and without --into: the rows are kept",
            )
        write_index(folder / INDEX, rows)
        said = [
            "Each .dcm is a DICOM Structured Report (TID 1500, Comprehensive SR) of one image, for research, not for "
            f"diagnosis: unverified, preliminary. {INDEX} says which is of which file.",
            "It holds what its image says of the patient: treat it as you treat the image.",
            f"Send them to the archive that has the images: storescu HOST PORT {annotated.folder}/*.dcm (DCMTK)",
            f"Read one: dsr2html {annotated.folder / rows[0][1]} (DCMTK), or highdicom.sr.srread in Python.",
        ]
        return Written(said, list_left_out(len(images) - len(dicom), refused))


def is_dicom(path: str) -> bool:
    """Whether a file is DICOM by its first bytes; one that cannot be read is not."""
    try:
        return is_dicom_start(read_start(path, None, START_BYTES))
    except ValueError:  # no file can have this name
        return False


def list_left_out(others: int, refused: Mapping[str, int]) -> list[Notice]:
    """Say which images have no report."""
    notices = []
    if others:
        text = f"{name_count(others)} without a structured report, being no DICOM"
        notices.append(Notice("left-out", text, others))
    for reason, count in refused.items():
        each = "it" if count == 1 else "each"
        text = f"{name_count(count, 'DICOM image')} without a structured report: {each} {reason}"
        notices.append(Notice("left-out", text, count, warns=True))
    return notices


def write_index(path: Path, rows: list[tuple[str, str]]) -> None:
    """Write which report is of which file."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "report"))
        writer.writerows((shield_cell(image), shield_cell(report)) for image, report in rows)


def write_structured_report(image: Annotation, annotated: Annotated, series: _Series, path: Path) -> str:
    """Write the report of one image; returns why there can be none, to go on from "an image", or ""."""
    with hearing_remarks(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, on what an image's own tags hold: said when it was read
        try:
            with explaining(), Path(image.path).open("rb") as file:
                found = open_dataset(file, MAX_PIXELS)
        except DicomError as error:
            return shorten_remark(error.reason)
        missing = [name for name in IDENTIFIERS if not found.tags.get(name)]
        if missing:
            return f"lacks {missing[0]}, by which a report refers to it"
        frame = (annotated.facts.reading.page or 1) if found.frames > 1 else None
        try:
            build_structured_report(copy_context(found.tags), frame, image, annotated, series).save_as(path)
        except KeyError:
            path.unlink(missing_ok=True)
            return f"is of a class that highdicom does not know ({found.tags.SOPClassUID})"
        except (ValueError, TypeError, AttributeError) as error:  # highdicom and pydicom, on odd tags
            path.unlink(missing_ok=True)
            return f"has tags that no report can take over ({shorten_remark(str(error)):.120})"
    return ""


def copy_context(tags: Dataset) -> Dataset:
    """Return the tags as a report can take them over: its text decoded, and empty where it must have what they lack.

    Dates and times may be written as ACR-NEMA did, 1997.04.24 and 14:04:38, which PS3.5 6.2 lets readers accept; one
    that is still none is an error of the image, and no report is made of it.
    """
    tags.decode()
    tags.SpecificCharacterSet = UTF_8
    for name in PATIENT_AND_STUDY:
        if name not in tags:
            setattr(tags, name, None)
        elif tags[name].VR in SEPARATORS and tags[name].value:
            setattr(tags, name, str(tags[name].value).replace(SEPARATORS[tags[name].VR], ""))
    return tags


def build_structured_report(
    source: Dataset, frame: int | None, image: Annotation, annotated: Annotated, series: _Series
) -> Dataset:
    """Build a report of an image that is given by its tags; `frame` counts from 1 where it has several."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    observer = sr.DeviceObserverIdentifyingAttributes(
        uid=build_identifier(annotated.digest),
        name=annotated.model,
        manufacturer_name="SightX",
        model_name=annotated.facts.backbone,
    )
    group = sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=build_identifier(), identifier="SightX classification"),
        algorithm_id=build_algorithm(annotated),
        measurements=[
            sr.Measurement(build_code(f"Probability of {name}"), probability, codes.UCUM.NoUnits)
            for name, probability in image.labels
        ],
        qualitative_evaluations=build_evaluations(image),
        source_images=[
            sr.SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID, [frame] if frame else None)
        ],
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(
            observer_device_context=sr.ObserverContext(codes.DCM.Device, observer)
        ),
        procedure_reported=codes.SCT.ImagingProcedure,
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
    )
    identifier, number = series.find(str(source.StudyInstanceUID))
    report = sr.ComprehensiveSR(
        evidence=[source],
        content=content,
        series_instance_uid=identifier,
        series_number=SERIES_NUMBER,
        series_description=SERIES_DESCRIPTION,
        sop_instance_uid=build_identifier(),
        instance_number=number,
        manufacturer="SightX",
        manufacturer_model_name=annotated.facts.backbone[:LONGEST_MEANING],
        software_versions=VERSION,
        device_serial_number=annotated.digest,
        is_complete=True,
    )
    report.SpecificCharacterSet = UTF_8  # names of classes may hold what the image's own set lacks
    report.ContentQualification = "RESEARCH"
    report.CodingSchemeIdentificationSequence = [describe_scheme()]
    return report


def describe_scheme() -> Dataset:
    """Build what says whose the codes of the private scheme are (PS3.3 C.12.1.1.1)."""
    from pydicom.dataset import Dataset

    scheme = Dataset()
    scheme.CodingSchemeDesignator = SCHEME
    scheme.CodingSchemeName = "Classes of image classifiers, and what is said of predictions"
    scheme.CodingSchemeResponsibleOrganization = "SightX"
    return scheme


def build_algorithm(annotated: Annotated) -> Any:
    """Build what identifies the model: its name, our version, and the digest of its bundle."""
    from highdicom import sr

    facts = annotated.facts
    said = [
        f"SHA-256 of bundle.json: {annotated.digest}",
        f"backbone: {facts.backbone}, {facts.size_px} px",
        f"classes: {', '.join(facts.task.classes)}",
        "Research only, not for diagnosis",
    ]
    return sr.AlgorithmIdentification(f"SightX {annotated.model}", VERSION, parameters=said)


def build_evaluations(image: Annotation) -> list[Any]:
    """Build what is said of the image in codes: its classes, the status, the decision, and that this is research."""
    from highdicom import sr

    said = [("Predicted class", name) for name, _ in image.labels] or [("Predicted class", "none")]
    said += [("Status of the prediction", image.status)] * bool(image.status)
    said += [("Decision by the stored threshold", image.decision)] * bool(image.decision)
    said += [("Intended use", "Research only, not for diagnosis")]
    return [sr.QualitativeEvaluation(build_code(name), build_code(value)) for name, value in said]


def build_code(meaning: str) -> Any:
    """Build a code of the private scheme: the same for the same words in every report, whoever made it.

    A code's value has 16 characters at most, and its meaning 64 without a backslash, which parts values in DICOM.
    """
    from highdicom.sr import CodedConcept

    value = hashlib.sha256(meaning.encode("utf-8", "backslashreplace")).hexdigest()[:16].upper()
    plain = re.sub(r"[\x00-\x1f\x7f\\]", "/", meaning).encode("utf-8", "replace")
    if len(plain) > LONGEST_MEANING:
        plain = plain[: LONGEST_MEANING - 3] + b"..."
    return CodedConcept(value, SCHEME, plain.decode("utf-8", "ignore"))


def build_identifier(text: str = "") -> str:
    """Build a UID below 2.25 (PS3.5 B.2): the same for the same text, a random one for none."""
    return f"2.25.{(uuid.uuid5(uuid.NAMESPACE_OID, text) if text else uuid.uuid4()).int}"
