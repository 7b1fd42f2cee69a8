"""LabelMe: a JSON file for each image, its classes as flags (labelme's own example "classification").

Checked against labelme 6.3.1 (`_label_file.read_label_file`, `app._resolve_label_path`) and 5.x: the file of an image
is its stem with .json, in the folder of `--output` without the image's folders; flags are booleans; a height and a
width that differ from the opened image's are an error, none are allowed; other keys come back as they were.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from sightx_cli.errors import quote
from sightx_cli.progress import Notice
from sightx_cli.report.annotations.interface import (
    Annotated,
    Annotation,
    AnnotationFormat,
    Written,
    count_kinds,
    name_count,
)
from sightx_cli.report.annotations.text_files import save_json, save_lines

FLAGS = "flags.txt"
REVIEW = "review-first.txt"
SHOWN = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
"""What its file list finds: the formats of Qt."""


class LabelmeFlags(AnnotationFormat):
    """Writes a flag for each class, and one that marks what to look at first."""

    name: ClassVar[str] = "labelme"
    title: ClassVar[str] = "LabelMe"

    def write(self, annotated: Annotated, folder: Path) -> Written:
        """Write one file an image, in one folder where no two would meet, else in folders as the images are."""
        kept, left_out = drop_shared(annotated.images)
        stems = Counter(find_stem(image) for image in kept)
        is_flat = all(count == 1 for count in stems.values())
        places = [Path() if is_flat else Path(image.relative).parent for image in kept]
        for image, place in zip(kept, places, strict=True):
            path = place / f"{Path(image.path).stem}.json"
            save_json(folder / path, build_flags(image, annotated, annotated.folder / place))
        save_lines(folder / FLAGS, annotated.task.classes)
        first = [image.relative for image in annotated.images if image.is_first]
        if first:
            save_lines(folder / REVIEW, first)
        said = [
            "Each class is a flag of the image (the dock Flags). Images to look at first have the flag "
            f"{name_mark('unsure', annotated)} or {name_mark('unfamiliar', annotated)} too: take it off when you have "
            "checked them." + f" {REVIEW} lists them, the least sure first." * bool(first),
            "LabelMe saves what you change in this folder.",
            *(write_opening(annotated, place) for place in dict.fromkeys(places)),
        ]
        return Written(said, [*left_out, *count_kinds(kept, SHOWN, self.title)])


def write_opening(annotated: Annotated, place: Path) -> str:
    """Write the command that opens the images of one folder."""
    where, output = quote(annotated.root / place), quote(annotated.folder / place)
    return f"labelme {where} --output {output} --flags {quote(annotated.folder / FLAGS)} --nodata"


def find_stem(image: Annotation) -> str:
    """Return what LabelMe finds an image's file by, on systems too where upper and lower case are one name."""
    return Path(image.path).stem.casefold()


def drop_shared(images: Sequence[Annotation]) -> tuple[list[Annotation], list[Notice]]:
    """Leave out images that would share LabelMe's file with another of their folder: a.png beside a.jpg."""
    of_place: dict[tuple[Path, str], Annotation] = {}
    for image in images:
        of_place.setdefault((Path(image.path).parent, find_stem(image)), image)
    kept = list(of_place.values())
    if len(kept) == len(images):
        return kept, []
    count = len(images) - len(kept)
    text = (
        f"{name_count(count)} left out of the annotations: LabelMe keeps one for all of a folder that differ only in "
        "their ending (a.png, a.jpg). Rename them and predict again"
    )
    return kept, [Notice("left-out", text, count, warns=True)]


def build_flags(image: Annotation, annotated: Annotated, place: Path) -> dict[str, Any]:
    """Build the content of one file, which will lie in the folder `place`."""
    given = {name for name, _ in image.labels}
    flags = {name: name in given for name in annotated.task.classes}
    if image.is_first:
        flags[name_mark(image.status, annotated)] = True
    probabilities = {name: round(probability, 6) for name, probability in image.labels}
    return {
        "version": "5.0.0",
        "flags": flags,
        "shapes": [],
        "imagePath": Path(os.path.relpath(image.path, place)).as_posix(),
        "imageData": None,
        "imageHeight": None,
        "imageWidth": None,
        "sightx": {**image.describe(), "probabilities": probabilities, "model": annotated.model},
    }


def name_mark(status: str, annotated: Annotated) -> str:
    """Name the flag of a status, after labelme's own `__ignore__`; no class has this name."""
    name = f"__{status}__"
    while name in annotated.task.classes:
        name = f"_{name}_"
    return name
