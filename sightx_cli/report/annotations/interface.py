"""What every format of pre-annotations answers for, and what it is given."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.bundle.judgement import UNFAMILIAR, UNSURE
from sightx_cli.bundle.table import DECISION, STATUS
from sightx_cli.errors import UsageError
from sightx_cli.progress import Notice
from sightx_cli.task.task import Task

REVIEW_ORDER = (UNSURE, UNFAMILIAR)
"""The statuses that a person looks at first, in this order; sure images, and those without a status, come after."""


@dataclass(frozen=True)
class Annotation:
    """What is said of one image file."""

    path: str
    """Absolute, without `..`."""
    relative: str
    """Below the folder that all annotated images have in common, with / between folders."""
    labels: tuple[tuple[str, float], ...]
    """The classes given, each with its probability: one, or any number where images may have several; none where the
    prediction was left empty."""
    confidence: float
    """How sure the answer is, with six digits: of one class its probability; of several labels that of the answer that
    is least sure."""
    status: str
    """SURE, UNSURE or UNFAMILIAR; "" where nothing tells."""
    decision: str = ""
    """What a stored threshold made of several classes; "" where there is none."""

    @property
    def is_first(self) -> bool:
        """Whether a person should look at it first."""
        return self.status in REVIEW_ORDER

    def describe(self) -> dict[str, str]:
        """Return what stands beside a label's probability: the status, and the decision, where there are any."""
        said = {"status": self.status, "decision": self.decision}
        return {name: text for name, text in said.items() if text}


@dataclass(frozen=True)
class Annotated:
    """All that a format is written from."""

    images: Sequence[Annotation]
    """Those to look at first come first, the least sure of each status before the others."""
    root: Path
    """The folder that all images have in common."""
    facts: BundleFacts
    model: str
    """The name of the run."""
    digest: str
    """The SHA-256 of its `bundle.json`, which names the digests of all other files: what identifies the model."""
    folder: Path
    """Where the files will lie when they are whole; they are written elsewhere, and renamed."""

    @property
    def task(self) -> Task:
        """The kind of label, with its classes."""
        return self.facts.task


@dataclass(frozen=True)
class Written:
    """What a format says of what it wrote."""

    how_to_import: Sequence[str]
    """Lines for the user: what to type or click in the tool."""
    notices: Sequence[Notice] = ()


class AnnotationFormat(ABC):
    """Writes pre-annotations, or reports, as one tool reads them."""

    name: ClassVar[str]
    """What `--into` takes."""
    title: ClassVar[str]
    """What people call the tool."""
    package: ClassVar[str] = ""
    """What must be installed to write it; "" for nothing."""
    extra: ClassVar[str] = ""
    """The extra that brings it."""

    def check_images(self, paths: Sequence[str]) -> None:  # noqa: B027 (most formats take every image)
        """Raise UsageError where nothing could be written for any of these files, before they are predicted."""

    @abstractmethod
    def write(self, annotated: Annotated, folder: Path) -> Written:
        """Write all files below an empty folder, with paths as they hold in `annotated.folder`."""


def build_annotation(path: str, row: Mapping[str, Any], task: Task) -> Annotation:
    """Build what a row of the table says of a file that could be read (see `bundle.table.build_answer`).

    It has no `relative` before all images are known.
    """
    said, shares = row[task.columns[0]], {name: float(row[f"p_{name}"]) for name in task.classes}
    names = [name for name in task.split_prediction(said) if name in shares] if said else []
    if "confidence" in task.columns:
        confidence = float(row["confidence"])
    else:  # each label is a question of its own
        confidence = min(shares[name] if name in names else 1 - shares[name] for name in shares)
    return Annotation(
        path,
        "",
        tuple((name, shares[name]) for name in names),
        round(confidence, 6),
        row[STATUS],
        row.get(DECISION, ""),
    )


def place_below(root: Path, image: Annotation) -> Annotation:
    """Return an annotation with its path below the folder that all images have in common."""
    return replace(image, relative=Path(image.path).relative_to(root).as_posix())


def order_for_review(images: Sequence[Annotation]) -> list[Annotation]:
    """Put images in the order in which a person looks at them: unsure, unfamiliar, then the rest; least sure first."""
    ranks = {status: rank for rank, status in enumerate(REVIEW_ORDER)}
    return sorted(images, key=lambda image: (ranks.get(image.status, len(ranks)), image.confidence))


def settle_path(path: str) -> str:
    """Return an absolute path without `..`, which tools refuse; what is a link stays one where that is possible."""
    if ".." not in Path(path).parts:
        return path
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 (as os.path.split gave it)


def find_root(paths: Sequence[str]) -> Path:
    """Return the folder that all files have in common. Raises UsageError for files on different drives."""
    if not paths:
        return Path.cwd()
    try:
        return Path(os.path.commonpath([os.path.dirname(path) for path in paths]))  # noqa: PTH120
    except ValueError as error:
        raise UsageError(
            "--into: the images lie on different drives, and the tools that read annotations want one folder",
            "predict the images of each drive by themselves",
        ) from error


def count_kinds(images: Sequence[Annotation], shown: frozenset[str], tool: str) -> list[Notice]:
    """Say which images a tool cannot show, by the endings that it does."""
    hidden = [Path(image.path).suffix.lower() or "without an ending" for image in images]
    hidden = [suffix for suffix in hidden if suffix not in shown]
    if not hidden:
        return []
    kinds = ", ".join(f"{suffix} {hidden.count(suffix):,}" for suffix in sorted(set(hidden))[:4])
    text = (
        f"{name_count(len(hidden))} of a kind that {tool} does not show, annotated all the same: {kinds}. "
        "Save them as PNG and predict those to see them there"
    )
    return [Notice("not-shown", text, len(hidden), warns=True)]


def name_count(count: int, what: str = "image") -> str:
    """Return a number of images in words."""
    return f"{count:,} {what}{'s' * (count != 1)}"


BROWSER_SUFFIXES = frozenset((".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".webp"))
"""What web browsers show, and so every tool that works in one."""
