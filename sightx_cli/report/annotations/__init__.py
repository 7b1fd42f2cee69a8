"""Results as other tools read them: pre-annotations to correct by hand, and reports for archives of images.

A new format is a file here with a class that has `AnnotationFormat`'s name, package and methods, and a line in
`FORMATS`.
"""

from __future__ import annotations

from sightx_cli.errors import UsageError
from sightx_cli.report.annotations.coco_boxes import CocoBoxes
from sightx_cli.report.annotations.dicom_report import DicomReport
from sightx_cli.report.annotations.fiftyone_labels import FiftyoneLabels
from sightx_cli.report.annotations.interface import AnnotationFormat
from sightx_cli.report.annotations.label_studio_tasks import LabelStudioTasks
from sightx_cli.report.annotations.labelme_flags import LabelmeFlags

FORMATS: dict[str, AnnotationFormat] = {
    one.name: one for one in (LabelmeFlags(), CocoBoxes(), FiftyoneLabels(), LabelStudioTasks(), DicomReport())
}
"""Every format there is, by the name that `--into` takes."""


def find_format(name: str) -> AnnotationFormat:
    """Return a format by its name. Raises UsageError for one that is not known."""
    if name not in FORMATS:
        raise UsageError(f"--into {name}: allowed are {', '.join(FORMATS)}", "--into labelme")
    return FORMATS[name]
