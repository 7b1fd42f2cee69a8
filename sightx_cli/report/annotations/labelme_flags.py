"""LabelMe: a JSON file for each image, its classes as flags (labelme's own example "classification").

Checked against labelme 6.3.1 (`_label_file.read_label_file`, `app._resolve_label_path`) and 5.x: the file of an image
is its stem with .json, in the folder of `--output` without the image's folders; flags are booleans; a height and a
width that differ from the opened image's are an error, none are allowed; other keys come back as they were.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from sightx_cli.bundle.judgement import UNFAMILIAR, UNSURE
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

FLAGS, LINKS = "flags.txt", "images"
REVIEW = "review-first.txt"
LONGEST_STEM = 250
"""Bytes of a name to which .json can be added: file systems take 255."""
LETTERS_KEPT = 50
"""Of a name behind its number: four bytes each at most."""
SHOWN = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
"""What its file list finds: the formats of Qt."""


class LabelmeFlags(AnnotationFormat):
    """Writes a flag for each class, and one that marks what to look at first."""

    name: ClassVar[str] = "labelme"
    title: ClassVar[str] = "LabelMe"

    def write(self, annotated: Annotated, folder: Path) -> Written:
        """Write one file an image, all in one folder, where LabelMe looks for them.

        Where two would have one name (1.png in two folders, a.png beside a.jpg), or one too long a name, they bear the
        images' numbers in the order of review, and LabelMe opens a folder of links so named. On systems that make no
        links the first of each name is kept.
        """
        images, left_out = annotated.images, list[Notice]()
        names, opened = [Path(image.path).stem for image in images], annotated.root
        is_too_long = any(len(os.fsencode(name)) > LONGEST_STEM for name in names)
        if is_too_long or len({name.casefold() for name in names}) < len(names):
            digits = len(str(len(images)))
            numbered = [f"{number:0{digits}d}-{name[:LETTERS_KEPT]}" for number, name in enumerate(names, 1)]
            if write_links(folder / LINKS, images, numbered):
                names, opened = numbered, annotated.folder / LINKS
            else:
                images, left_out = drop_shared(images)
                names = [Path(image.path).stem for image in images]
        for image, name in zip(images, names, strict=True):
            save_json(folder / f"{name}.json", build_flags(image, annotated))
        save_lines(folder / FLAGS, annotated.task.classes)
        first = [image.relative for image in images if image.is_first]
        if first:
            save_lines(folder / REVIEW, first)
        said = [
            "Each class is a flag of the image (the dock Flags). Images to look at first have the flag "
            f"{name_mark(UNSURE, annotated)} or {name_mark(UNFAMILIAR, annotated)} too: take it off when you have "
            "checked them." + f" {REVIEW} lists them, the least sure first." * bool(first),
            "LabelMe saves what you change in this folder.",
            write_opening(annotated, opened),
        ]
        return Written(said, [*left_out, *count_kinds(images, SHOWN, self.title)])


def write_opening(annotated: Annotated, opened: Path) -> str:
    """Write the command that opens the images of a folder with their flags."""
    flags = quote(annotated.folder / FLAGS)
    return f"labelme {quote(opened)} --output {quote(annotated.folder)} --flags {flags} --nodata"


def write_links(folder: Path, images: Sequence[Annotation], names: Sequence[str]) -> bool:
    """Link images under other names, each with its own ending; False, and none, where links cannot be made."""
    folder.mkdir()
    try:
        for image, name in zip(images, names, strict=True):
            (folder / f"{name}{Path(image.path).suffix}").symlink_to(image.path)
    except (OSError, NotImplementedError):
        shutil.rmtree(folder)
        return False
    return True


def drop_shared(images: Sequence[Annotation]) -> tuple[list[Annotation], list[Notice]]:
    """Leave out images that would share LabelMe's file with another."""
    of_name: dict[str, Annotation] = {}
    for image in images:
        of_name.setdefault(Path(image.path).stem.casefold(), image)
    count = len(images) - len(of_name)
    text = (
        f"{name_count(count)} left out of the annotations: LabelMe keeps one for all of the same name without its "
        "ending, and this system makes no links. Rename them, or predict each folder by itself"
    )
    return list(of_name.values()), [Notice("left-out", text, count, warns=True)]


def build_flags(image: Annotation, annotated: Annotated) -> dict[str, Any]:
    """Build the content of one file."""
    given = {name for name, _ in image.labels}
    flags = {name: name in given for name in annotated.task.classes}
    if image.is_first:
        flags[name_mark(image.status, annotated)] = True
    probabilities = {name: round(probability, 6) for name, probability in image.labels}
    said = {"confidence": image.confidence, **image.describe(), "probabilities": probabilities}
    return {
        "version": "5.0.0",
        "flags": flags,
        "shapes": [],
        "imagePath": Path(os.path.relpath(image.path, annotated.folder)).as_posix(),
        "imageData": None,
        "imageHeight": None,
        "imageWidth": None,
        "sightx": {**said, "model": annotated.model},
    }


def name_mark(status: str, annotated: Annotated) -> str:
    """Name the flag of a status, after labelme's own `__ignore__`; no class has this name."""
    name = f"__{status}__"
    while name in annotated.task.classes:
        name = f"_{name}_"
    return name
