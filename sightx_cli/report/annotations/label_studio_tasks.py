"""Label Studio: tasks with predictions, and the labeling interface that they belong to.

Checked against label-studio 1.23.2 (`io_storages.localfiles`, `tasks.validation`) and label-studio-sdk 2.1.2: `d` of a
local file's address is its path below LOCAL_FILES_DOCUMENT_ROOT, quoted; it is shown to who has a local storage with a
folder above it, which must lie below that root and not be it. Tasks are numbered in the order of the file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote as quote_address
from xml.sax.saxutils import quoteattr

from sightx_cli.errors import quote
from sightx_cli.report.annotations.interface import (
    BROWSER_SUFFIXES,
    Annotated,
    Annotation,
    AnnotationFormat,
    Written,
    count_kinds,
)
from sightx_cli.report.annotations.text_files import save_json, save_lines

TASKS, INTERFACE = "tasks.json", "labeling-interface.xml"
CONTROL, OBJECT = "label", "image"
"""The names of the choices and of the image in the interface."""
FIELD, REMARK = "image", "remark"
"""The fields of a task that hold the image's address, and what stands above it."""
LOCAL_FILES = "/data/local-files/?d="


class LabelStudioTasks(AnnotationFormat):
    """Writes one task an image, each with a prediction to correct."""

    name: ClassVar[str] = "labelstudio"
    title: ClassVar[str] = "Label Studio"

    def write(self, annotated: Annotated, folder: Path) -> Written:
        """Write the tasks, those to look at first before the others, and the interface."""
        save_json(folder / TASKS, [build_task(image, annotated) for image in annotated.images])
        task = annotated.task
        save_lines(folder / INTERFACE, build_interface(task.classes, task.gives_several))
        said = [
            "1. Start Label Studio so that it may show files of this disk:",
            f"LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT="
            f"{quote(find_document_root(annotated.root))} label-studio start",
            f"2. Make a project. Settings, Labeling Interface, Code: paste {INTERFACE}.",
            f"3. Settings, Cloud Storage, Add Source Storage, Local files: {', '.join(find_storages(annotated))}. Save "
            "it, and do not sync it: the tasks name their files themselves.",
            f"4. Import {TASKS}. Images to look at first have the lowest numbers; the column status says why, and "
            "Prediction score sorts by how sure the model is.",
        ]
        return Written(said, count_kinds(annotated.images, BROWSER_SUFFIXES, self.title))


def find_document_root(root: Path) -> Path:
    """Return the folder that Label Studio may show: above the images', which as a storage must not be it."""
    return root.parent


def find_storages(annotated: Annotated) -> list[str]:
    """List the folders to add as storages: the images' own, or, where that is a whole disk, those in it."""
    if annotated.root.parent != annotated.root:
        return [str(annotated.root)]
    return sorted({str(annotated.root / Path(image.relative).parts[0]) for image in annotated.images})


def build_task(image: Annotation, annotated: Annotated) -> dict[str, Any]:
    """Build a task with its prediction; one without a label has no choice."""
    below = Path(image.path).relative_to(find_document_root(annotated.root)).as_posix()
    choices = [name for name, _ in image.labels]
    chosen = {"from_name": CONTROL, "to_name": OBJECT, "type": "choices", "value": {"choices": choices}}
    prediction = {
        "model_version": annotated.model,
        "score": image.confidence,
        "result": [chosen] if choices else [],
    }
    address = LOCAL_FILES + quote_address(os.fsencode(below))
    readable = image.relative.encode("utf-8", "backslashreplace").decode("utf-8")
    remark = f"{image.status or 'predicted'}, confidence {image.confidence:.2f}"
    data = {FIELD: address, REMARK: remark, "file": readable, "confidence": image.confidence, **image.describe()}
    return {"data": data, "predictions": [prediction]}


def build_interface(classes: Sequence[str], several: bool) -> list[str]:
    """Build the lines of the labeling interface."""
    choice = "multiple" if several else "single"
    return [
        "<View>",
        f'  <Header value="${REMARK}" size="5"/>',
        f'  <Image name="{OBJECT}" value="${FIELD}" zoom="true"/>',
        f'  <Choices name="{CONTROL}" toName="{OBJECT}" choice="{choice}" showInLine="true">',
        *(f"    <Choice value={quoteattr(name)}/>" for name in classes),
        "  </Choices>",
        "</View>",
    ]
