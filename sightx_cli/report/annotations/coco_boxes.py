"""COCO: one JSON file, each label given as a box around the whole image.

COCO has no labels of whole images. A box of the image's size is valid to all that reads COCO (pycocotools, FiftyOne,
CVAT); Datumaro, which calls a file `labels_….json` below `annotations/` "labels of images", ignores it. Checked against
pycocotools 2.0.11, datumaro 1.13.12 (`plugins.data_formats.coco.base`) and FiftyOne 1.22.1 (`utils.coco`): categories
count from 1, names of files are relative with /, a prediction's confidence is `score`, `attributes` are kept (FiftyOne
fails on one that is called confidence).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from sightx_cli.data.readers import ImageFileError, measure_header
from sightx_cli.progress import Notice
from sightx_cli.report.annotations.interface import Annotated, Annotation, AnnotationFormat, Written, name_count
from sightx_cli.report.annotations.text_files import save_json
from sightx_cli.version import VERSION

FILE = Path("annotations/labels_predictions.json")


class CocoBoxes(AnnotationFormat):
    """Writes all images, the ones to look at first with the lowest numbers."""

    name: ClassVar[str] = "coco"
    title: ClassVar[str] = "COCO"

    def write(self, annotated: Annotated, folder: Path) -> Written:
        """Write the one file; the sizes come from the files' headers."""
        sizes = [measure_size(image) for image in annotated.images]
        sized = [(image, size) for image, size in zip(annotated.images, sizes, strict=True) if size is not None]
        numbers = {name: number for number, name in enumerate(annotated.task.classes, 1)}
        images, boxes = [], list[dict[str, Any]]()
        for number, (image, (width, height)) in enumerate(sized, 1):
            facts = {"id": number, "file_name": image.relative, "width": width, "height": height}
            images.append({**facts, "confidence": image.confidence, **image.describe()})
            for name, probability in image.labels:
                boxes.append(build_box(len(boxes) + 1, number, numbers[name], (width, height), probability, image))
        described = (
            "Predictions, to be checked by a person. Each label of an image is a box around the whole of it: COCO has "
            "no labels of images. Images that the model is not sure of come first."
        )
        content = {
            "info": {"description": described, "version": VERSION, "model": annotated.model},
            "licenses": [],
            "images": images,
            "annotations": boxes,
            "categories": [{"id": n, "name": name, "supercategory": ""} for name, n in numbers.items()],
        }
        save_json(folder / FILE, content)
        path, root = str(annotated.folder / FILE), str(annotated.root)
        said = [
            "Each label is a box around the whole image, as COCO has no labels of images; score is its probability.",
            f"pycocotools: COCO({path!r})",
            "FiftyOne: fiftyone.Dataset.from_dir(dataset_type=fiftyone.types.COCODetectionDataset, "
            f"data_path={root!r}, labels_path={path!r})",
            "CVAT: make a task of the images with their folders, then Upload annotations, COCO 1.0, this file.",
            f"Datumaro: link the images, {root}, to a folder `images` beside the folder annotations, then "
            f"datumaro.Dataset.import_from({str(annotated.folder)!r}, 'coco_labels')",
        ]
        return Written(said, list_vanished(len(annotated.images) - len(sized)))


def measure_size(image: Annotation) -> tuple[int, int] | None:
    """Measure the width and height of an image upright; None where it can be read no longer."""
    try:
        return measure_header(image.path)[:2]
    except (ImageFileError, OSError):
        return None


def list_vanished(count: int) -> Sequence[Notice]:
    """Say how many files changed since they were predicted."""
    text = f"{name_count(count)} without an annotation, which could be read when predicted and can no longer"
    return [Notice("left-out", text, count, warns=True)] if count else []


def build_box(
    number: int, image_number: int, category: int, size: tuple[int, int], probability: float, image: Annotation
) -> dict[str, Any]:
    """Build one annotation around the whole image."""
    width, height = size
    return {
        "id": number,
        "image_id": image_number,
        "category_id": category,
        "bbox": [0, 0, width, height],
        "area": width * height,
        "iscrowd": 0,
        "segmentation": [],
        "score": round(probability, 6),
        "attributes": image.describe(),
    }
