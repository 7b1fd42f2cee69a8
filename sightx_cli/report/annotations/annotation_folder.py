"""The folder that pre-annotations go to: there whole or not at all, and never over what a person corrected in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.data.queries import Query, QueryRow
from sightx_cli.data.readers.references import is_packed
from sightx_cli.errors import UsageError
from sightx_cli.filesystem import check_place
from sightx_cli.model.packaged import digest_weights
from sightx_cli.progress import Listener, Notice, Silent, reporting
from sightx_cli.report.annotations.interface import (
    Annotated,
    Annotation,
    AnnotationFormat,
    build_annotation,
    find_root,
    name_count,
    order_for_review,
    place_below,
    settle_path,
)
from sightx_cli.report.annotations.text_files import save_json, save_lines

ELSEWHERE = "name another one with --into-folder"
"""What to do about a folder that cannot be written."""
HOW_TO = "how-to-import.txt"
RECORD = ".sightx-annotations.json"
"""Names the files that were written, each with its digest: what else is there, or differs, is somebody's work."""


def choose_annotation_folder(
    annotation_format: AnnotationFormat,
    folder: Path | None,
    output: Path,
    overwrite: bool,
    others: Sequence[Path] = (),
) -> Path:
    """Return where annotations will lie, by default beside the table, before any work; not where `others` will.

    Raises UsageError where the format's package is missing, and where the folder cannot be made, is there already, or
    holds what a format did not write.
    """
    if annotation_format.package and find_spec(annotation_format.package) is None:
        raise UsageError(
            f"--into {annotation_format.name} needs the package {annotation_format.package}, which is not installed",
            f"type pip install 'sightx-cli[{annotation_format.extra}]'",
        )
    option = "--into-folder" if folder is not None else f"--into {annotation_format.name}:"
    found = (folder or output.with_name(f"{output.stem}-{annotation_format.name}")).absolute()
    for kept in (output, *others):
        if found == kept.absolute() or found in kept.absolute().parents:
            raise UsageError(f"{option} {found}: {kept} will lie there", ELSEWHERE)
    check_folder(option, found, overwrite)
    check_place(option, found)
    return found


def check_folder(option: str, folder: Path, overwrite: bool) -> None:
    """Raise UsageError where a folder is there that may not be replaced; an empty one may."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{option} {folder}: is a file", ELSEWHERE)
    if folder.is_dir() and any(folder.iterdir()):
        if changed := describe_changes(folder):
            raise UsageError(f"{option} {folder}: {changed}", ELSEWHERE)
        if not overwrite:
            raise UsageError(f"{option} {folder}: exists already", f"{ELSEWHERE}, or add --overwrite to replace it")


def describe_changes(folder: Path) -> str:
    """Say what a folder holds that was not written for annotations, or was changed since; "" where it is as written."""
    try:
        written = dict(json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, TypeError, KeyError):
        return "exists and holds no annotations of SightX"
    found = list_digests(folder)
    found.pop(RECORD, None)
    changed = [name for name, digest in found.items() if written.get(name) != digest]
    if not changed:
        return ""
    return f"{len(changed):,} of its files were changed or added since they were written, {min(changed)} for one"


def list_digests(folder: Path) -> dict[str, str]:
    """Measure the digest of each file below a folder by its name there; links are none."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    return {path.relative_to(folder).as_posix(): digest_weights(path) for path in files}


@dataclass
class AnnotationFolder:
    """Annotations in the making: rows are added as they are predicted, and written together."""

    annotation_format: AnnotationFormat
    folder: Path
    facts: BundleFacts
    run: Path
    overwrite: bool = False
    _images: dict[str, Annotation] = field(default_factory=dict)
    _unreadable: int = 0
    _aside: Path | None = None

    def add(self, asked: QueryRow, row: Mapping[str, Any]) -> None:
        """Add what a row says of its image, once for each file; one that could not be read is counted."""
        path = settle_path(asked.path)
        if row["error"] or not path:
            self._unreadable += 1
        elif path not in self._images:
            self._images[path] = build_annotation(path, row, self.facts.task)

    def write(self, listener: Listener | None = None) -> list[Notice]:
        """Write everything beside its place, and say what was left out; `place` moves it there."""
        with reporting(listener or Silent(), f"writing for {self.annotation_format.title}"):
            return self._write()

    def _write(self) -> list[Notice]:
        aside = self._aside = runs.find_free(self.folder.with_name(f".{self.folder.name}-{os.getpid()}"))
        aside.mkdir(parents=True)
        root = find_root(list(self._images))
        images = [place_below(root, image) for image in order_for_review(list(self._images.values()))]
        digest = digest_weights(self.run / runs.BUNDLE / runs.BUNDLE_FACTS)
        annotated = Annotated(images, root, self.facts, self.run.name, digest, self.folder)
        written = self.annotation_format.write(annotated, aside)
        head = f"Made for {self.annotation_format.title} by SightX, with the model {self.run.name}."
        save_lines(aside / HOW_TO, [head, *written.how_to_import])
        record = {"format": self.annotation_format.name, "model": digest, "files": list_digests(aside)}
        save_json(aside / RECORD, record)
        notices = list(written.notices)
        if self._unreadable:
            text = f"{name_count(self._unreadable)} without an annotation, being unreadable: the table says why"
            notices.insert(0, Notice("left-out", text, self._unreadable))
        return notices

    def place(self) -> None:
        """Put what was written in its place, in one step where the system can.

        Raises UsageError where something else came to lie there meanwhile.
        """
        if self._aside is None:
            return
        check_folder("--into-folder", self.folder, self.overwrite)
        if self.folder.exists():
            runs.replace_run(self._aside, self.folder)
        else:
            self._aside.rename(self.folder)
        self._aside = None

    def discard(self) -> None:
        """Remove what was written and not placed."""
        if self._aside is not None:
            runs.remove_folder(self._aside)
            self._aside = None


@contextmanager
def placing_annotations(
    annotation_format: AnnotationFormat | None,
    folder: Path | None,
    query: Query,
    facts: BundleFacts,
    run: Path,
    overwrite: bool = False,
) -> Iterator[AnnotationFolder | None]:
    """Give a folder to add rows to and to write; it appears in its place when the block ends well. None for none."""
    if annotation_format is None or folder is None:
        yield None
        return
    packed = [row.image for row in query.rows if is_packed(row.path)]
    if packed:
        raise UsageError(
            f"--into {annotation_format.name}: needs images in files of their own, and {len(packed):,} of these lie in "
            f"shards, such as {packed[0]}",
            "unpack them (tar xf SHARD -C FOLDER), and give the folder",
        )
    paths = [settle_path(row.path) for row in query.rows if row.path]
    find_root(paths)
    annotation_format.check_images(paths)
    made = AnnotationFolder(annotation_format, folder, facts, run, overwrite)
    try:
        yield made
        made.place()
    finally:
        with suppress(OSError):
            made.discard()
