"""FiftyOne: a `FiftyOneImageClassificationDataset`, whose images stay where they are.

Checked against FiftyOne 1.22.1 (`utils.data.importers`, `utils.data.parsers`). Labels and files meet by a name of which
the file's ending is taken off, and images are added in the order of these names: so they are numbers here, which makes
no two files one, and brings those to look at first to the front. `data.json` may name files anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from sightx_cli.report.annotations.interface import (
    BROWSER_SUFFIXES,
    Annotated,
    Annotation,
    AnnotationFormat,
    Written,
    count_kinds,
)
from sightx_cli.report.annotations.text_files import save_json

LABELS, MANIFEST = "labels.json", "data.json"


class FiftyoneLabels(AnnotationFormat):
    """Writes the classes with the labels, and where each image lies."""

    name: ClassVar[str] = "fiftyone"
    title: ClassVar[str] = "FiftyOne"

    def write(self, annotated: Annotated, folder: Path) -> Written:
        """Write both files; an image without a label is there, unlabelled."""
        digits = len(str(len(annotated.images)))
        numbers = {name: number for number, name in enumerate(annotated.task.classes)}
        labels: dict[str, Any] = {}
        files: dict[str, str] = {}
        for number, image in enumerate(annotated.images, 1):
            name = f"{number:0{digits}d}"
            files[f"{name}{Path(image.path).suffix or '.image'}"] = image.path
            labels[name] = build_labels(image, numbers, annotated.task.gives_several)
        save_json(folder / LABELS, {"classes": list(annotated.task.classes), "labels": labels})
        save_json(folder / MANIFEST, files)
        said = [
            "In Python:",
            "import fiftyone",
            f"dataset = fiftyone.Dataset.from_dir({str(annotated.folder)!r}, data_path={MANIFEST!r}, "
            "dataset_type=fiftyone.types.FiftyOneImageClassificationDataset, label_field='sightx')",
            "fiftyone.launch_app(dataset)",
            "Images to look at first come first; each label has its confidence, and its status as an attribute.",
        ]
        return Written(said, count_kinds(annotated.images, BROWSER_SUFFIXES, self.title))


def build_labels(image: Annotation, numbers: dict[str, int], several: bool) -> Any:
    """Build the entry of an image: a label, a list of labels where there may be several, None for no label."""
    made = [
        {"label": numbers[name], "confidence": round(probability, 6), "attributes": image.describe()}
        for name, probability in image.labels
    ]
    return made if several else next(iter(made), None)
