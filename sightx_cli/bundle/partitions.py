"""Predictions in partitions that are made side by side, in any order, each whole or not at all.

Where the output is a folder, its partitions are Parquet files that stay, and `manifest.json` is written last:

    <output>/partitions/part-000000.parquet …
    <output>/manifest.json

Where it is a file, they are the part files from which `bundle.table` makes it. What is done is noted line by line
beside them: a partition counts as done when its file and its note are there, so whatever stops the process loses only
those that were being made, and none is ever written twice.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.bundle.predicted_rows import RowCounts
from sightx_cli.bundle.table import BEGUN, SUFFIXES, Begun, find_parts, load_begun, locking_table
from sightx_cli.errors import UsageError, quote
from sightx_cli.filesystem import check_place

MANIFEST, PARTITIONS, NOTES = "manifest.json", "partitions", "notes.jsonl"
FORMAT_VERSION = 1
ORDER_KEY = "row"
"""The column of a partition that numbers the rows in the order asked for, from 0."""


@dataclass(frozen=True)
class PartitionNote:
    """What a partition holds."""

    number: int
    rows: int
    unreadable: int
    statuses: Mapping[str, int]
    classes: Mapping[str, int]
    sha256: str
    """Of its file."""


def is_folder_output(output: Path) -> bool:
    """Tell whether an output is a folder of partitions: it has no ending, or is a folder already."""
    return output.is_dir() or not output.suffix


def check_folder_output(output: Path, overwrite: bool, resume: bool) -> None:
    """Check that a folder of partitions can be written, before any work.

    Raises UsageError where another thing is there that may not be replaced, or an interrupted prediction that is
    neither gone on with nor replaced.
    """
    check_place("--output", output)
    if not output.exists():
        return
    if not output.is_dir():
        raise UsageError(f"--output {output}: is a file", f"--output {quote(output.with_name(f'{output.name}.csv'))}")
    found = {one.name for one in output.iterdir()}
    if found - {MANIFEST, PARTITIONS}:
        raise UsageError(f"--output {output}: is a folder with other files", "name a new folder")
    if overwrite:
        return
    if MANIFEST in found:
        raise UsageError(f"--output {output}: exists already", "name another folder, or add --overwrite to replace it")
    if PARTITIONS in found and not resume:
        kept = describe_partitions(output) or "begun"
        raise UsageError(
            f"--output {output}: an interrupted prediction is there, {kept}",
            "add --resume to go on with it, or --overwrite to start over",
        )


def describe_partitions(output: Path) -> str:
    """Say how much is kept of interrupted partitions, such as "2,000 of 5,000 rows"; "" where there are none."""
    state = find_parts(output)
    begun = load_begun(state)
    rows = sum(note.rows for note in _read_notes(state))
    return f"{rows:,} of {begun.images:,} rows" if begun and rows else ""


def _read_notes(state: Path) -> list[PartitionNote]:
    """Read the notes of partitions that are done; a line that a killed process left half-written is no note."""
    found: dict[int, PartitionNote] = {}
    try:
        lines = (state / NOTES).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            note = PartitionNote(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[note.number] = note
    return [found[number] for number in sorted(found)]


class PartitionFolder:
    """Partitions in the making, or those of an interrupted prediction to go on with.

    Raises UsageError where `resume` finds those of other images or another model.
    """

    def __init__(self, output: Path, begun: Begun, resume: bool) -> None:
        self.output, self.state = output, find_parts(output)
        self.is_folder = output.suffix.lower() not in SUFFIXES
        self.folder = output / PARTITIONS if self.is_folder else self.state
        before = load_begun(self.state)
        if resume and before is not None and before.key != begun.key:
            raise UsageError(
                f"--resume: {output} was begun with other images, another run, or not with --on ray",
                "give the same ones again, or --overwrite in place of --resume to start over",
            )
        if not resume or before is None:
            self._clear()
            runs.write_json(self.state / BEGUN, asdict(begun))
        self.begun = before if resume and before is not None else begun
        self.notes = {note.number: note for note in _read_notes(self.state) if self.find_file(note.number).is_file()}
        """What is done, by number."""
        self.resumed = sum(note.rows for note in self.notes.values())
        """Rows that were there already."""

    def find_file(self, number: int) -> Path:
        """Return the file of a partition."""
        return self.folder / f"part-{number:06d}{'.parquet' if self.is_folder else '.jsonl'}"

    def list_missing(self) -> list[int]:
        """List the numbers of the partitions that are not done, in order."""
        rows = max(self.begun.partition_rows, 1)
        return [number for number in range(-(-self.begun.images // rows)) if number not in self.notes]

    def keep(self, number: int, content: bytes, counts: RowCounts) -> bool:
        """Keep a partition that was made; False, and nothing is done, where it is there already."""
        if number in self.notes:
            return False
        runs.write_file(self.find_file(number), lambda aside: aside.write_bytes(content))
        statuses = {name: count for name, count in counts.statuses.items() if name}
        note = PartitionNote(
            number, counts.rows, counts.unreadable, statuses, counts.classes, hashlib.sha256(content).hexdigest()
        )
        with (self.state / NOTES).open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(asdict(note))}\n")
        self.notes[number] = note
        return True

    def write_manifest(self, facts: Mapping[str, Any]) -> None:
        """Write what the folder holds, with `facts` of the model; all partitions are done, and nothing else stays."""
        notes = [self.notes[number] for number in sorted(self.notes)]
        table = {
            "format": FORMAT_VERSION,
            "rows": sum(note.rows for note in notes),
            "unreadable": sum(note.unreadable for note in notes),
            **{name: sum(note.statuses.get(name, 0) for note in notes) for name in ("unsure", "unfamiliar")},
            **facts,
            "partition_rows": self.begun.partition_rows,
            "partitions": [
                {
                    "file": f"{PARTITIONS}/{self.find_file(note.number).name}",
                    "first_row": note.number * self.begun.partition_rows,
                    "rows": note.rows,
                    "unreadable": note.unreadable,
                    "sha256": note.sha256,
                }
                for note in notes
            ],
        }
        runs.write_json(self.output / MANIFEST, table)
        self.remove_state()

    def remove_state(self) -> None:
        """Remove what only an unfinished prediction needs."""
        shutil.rmtree(self.state, ignore_errors=True)

    def _clear(self) -> None:
        for name in (BEGUN, NOTES):
            (self.state / name).unlink(missing_ok=True)
        for part in self.folder.glob("part-*"):
            part.unlink()
        if self.is_folder:
            (self.output / MANIFEST).unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def making_partitions(output: Path, begun: Begun, resume: bool) -> Iterator[PartitionFolder]:
    """Give partitions to fill; what is done stays for `--resume` when the block ends otherwise than well.

    Raises UsageError where another process writes the same output now.
    """
    with locking_table(output):
        partitions = PartitionFolder(output, begun, resume)
        try:
            yield partitions
        except BaseException:
            if not partitions.notes:
                partitions.remove_state()
                if partitions.is_folder:
                    shutil.rmtree(partitions.folder, ignore_errors=True)
                    if output.is_dir() and not any(output.iterdir()):
                        output.rmdir()
            raise
