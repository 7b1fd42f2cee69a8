"""The table of predictions: CSV, Parquet or JSON lines by the output's name, whole or not at all."""

from __future__ import annotations

import functools
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.bundle.chosen_threshold import NEGATIVE, POSITIVE, Decision, decides_class
from sightx_cli.bundle.judgement import UNFAMILIAR, UNSURE
from sightx_cli.bundle.predictor import Prediction
from sightx_cli.bundle.table_writers import write_csv, write_lines, write_parquet
from sightx_cli.data.queries import QueryRow
from sightx_cli.data.tables import rename_given
from sightx_cli.errors import UsageError, quote
from sightx_cli.filesystem import InUseError, check_place, locking
from sightx_cli.task.task import Task

SUFFIXES = (".csv", ".parquet", ".jsonl")
PART_ROWS, PART_SECONDS = 1000, 15.0
"""Rows per part file, the most that memory holds, and after how long fewer are one: the most that a kill loses."""
STATUS, DECISION = "status", "decision"
"""The columns that say how sure a prediction is, and what a stored threshold makes of several classes."""
PARTS = "part-*.jsonl"
BEGUN = "begun.json"
LOCK = "lock"
NO_TYPES: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Begun:
    """What a table in the making is of."""

    key: str
    """What must be the same for it to go on: the images in their order, and the model."""
    images: int
    partition_rows: int = 0
    """Rows of each part, where the parts are made side by side (see `bundle.partitions`)."""


def check_output(output: Path, overwrite: bool, resume: bool = False) -> None:
    """Check that a table can be written, before any work.

    Raises UsageError when the output's name says no known format, when it exists and may not be replaced, when its
    folder cannot be written, and when an interrupted prediction is there that neither goes on nor may be replaced.
    """
    if output.suffix.lower() not in SUFFIXES:
        named = output.with_name(f"{output.name.partition('.')[0] or 'predictions'}{choose_suffix(output)}")
        raise UsageError(
            f"--output {output}: the ending says no known format; allowed: {', '.join(SUFFIXES)}",
            f"--output {quote(named)}",
        )
    if output.is_dir():
        raise UsageError(f"--output {output}: is a folder", f"--output {quote(output / 'predictions.csv')}")
    if output.exists() and not overwrite:
        raise UsageError(f"--output {output}: exists already", "name another file, or add --overwrite to replace it")
    if find_parts(output).is_dir():
        with locking_table(output):
            pass
    kept = describe_kept(output)
    if kept and not (overwrite or resume):
        raise UsageError(
            f"--output {output}: an interrupted prediction is there, {kept}",
            "add --resume to go on with it, or --overwrite to start over",
        )
    check_place("--output", output)


def choose_suffix(output: Path) -> str:
    """Choose the format that is nearest to an ending that is not known."""
    return {".pq": ".parquet", ".json": ".jsonl", ".ndjson": ".jsonl"}.get(output.suffix.lower(), ".csv")


def find_parts(output: Path) -> Path:
    """Return the hidden folder that holds the rows of a table in the making."""
    return output.with_name(f".{output.name}.parts")


def describe_kept(output: Path) -> str:
    """Say how much is kept of an interrupted table, such as "13 of 18 rows"; "" where there is none."""
    folder = find_parts(output)
    rows = sum(1 for _ in _read_lines(folder))
    begun = load_begun(folder)
    return f"{rows:,} of {begun.images:,} rows" if begun and rows else ""


def load_begun(folder: Path) -> Begun | None:
    """Load what a table in the making is of; None where nothing that can go on was begun."""
    try:
        return Begun(**json.loads((folder / BEGUN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _list_parts(folder: Path) -> list[Path]:
    return sorted(folder.glob(PARTS))


def _read_lines(folder: Path) -> Iterator[str]:
    for part in _list_parts(folder):
        with part.open(encoding="utf-8") as lines:
            yield from lines


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table of predictions: the user's own in their order, then those that we add."""

    task: Task
    given: Mapping[str, str] = field(default_factory=dict)
    """The user's columns, and the name that each has here: one that bears a name of ours is kept as `…_given`."""
    answers: tuple[str, ...] = ()
    """What is said of an image, in order (see `list_answers`)."""
    types: Mapping[str, Any] = field(default_factory=dict)
    """The user's columns, by their names here, that Parquet holds as something else than text."""

    @functools.cached_property
    def names(self) -> list[str]:
        """All names in their order; `image` stands where the user's own column of this name does."""
        return list(dict.fromkeys([*self.given.values(), "image", *self.answers]))

    @property
    def numbers(self) -> set[str]:
        """The columns that hold numbers; all others hold text."""
        return {name for name, cell in self.task.fill_row(None).items() if cell is None}

    def build_row(self, row: QueryRow, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Build a row: the user's cells, the image, and what is said of it (see `build_answer`)."""
        cells = zip(self.given.values(), map(to_text, row.cells), strict=False)  # none beside a file of a folder
        return {**dict.fromkeys(self.names, ""), **dict(cells), "image": to_text(row.image), **answer}

    def read_answer(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a row says of its image, as `build_answer` gave it."""
        return {name: row[name] for name in self.answers}


def list_answers(task: Task, decision: Decision | None = None) -> tuple[str, ...]:
    """List the columns that say something of an image; the status stands before the probabilities of the classes."""
    said, shares = task.columns[: -task.outputs], task.columns[-task.outputs :]
    decided = () if decision is None or decides_class(decision, task) else (DECISION,)
    return (*said, STATUS, *decided, *shares, "error")


def plan_columns(
    task: Task, given: Sequence[str] = (), decision: Decision | None = None, types: Mapping[str, Any] = NO_TYPES
) -> TableColumns:
    """Plan the columns of a table for the user's own, of which `image` is the image itself."""
    ours = {"image", *(answers := list_answers(task, decision))}
    kept = rename_given([name for name in given if name != "image"], ours)
    named = {name: kept.get(name, name) for name in given}
    return TableColumns(task, named, answers, {named[name]: kind for name, kind in types.items() if name != "image"})


def build_answer(prediction: Prediction, columns: TableColumns, abstains: bool = False) -> dict[str, Any]:
    """Build what a row says of its image: no prediction where it is unreadable, and why.

    With `abstains` none either where it is unsure or the image unfamiliar.
    """
    row = {**columns.task.fill_row(prediction.probabilities, prediction.chosen), STATUS: prediction.status}
    decided = {None: "", True: POSITIVE, False: NEGATIVE}[prediction.is_positive]
    row |= {DECISION: decided, "error": to_text(prediction.error)}
    if abstains and prediction.status in (UNSURE, UNFAMILIAR):
        row |= {columns.task.columns[0]: "", DECISION: ""}
    return {name: row[name] for name in columns.answers}


def to_text(name: str) -> str:
    """Return text that can be written: a file name need not be valid, and what is not stands as an escape."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


class PredictionTable:
    """A table in the making: rows go to part files of a hidden folder beside the output, which resuming reads again.

    The parts hold JSON lines; the output is written from them, whole, when all rows are there. Memory holds one part.
    """

    def __init__(self, output: Path, columns: TableColumns, begun: Begun, resume: bool) -> None:
        self.output, self.columns = output, columns
        self.folder = find_parts(output)
        self._held: list[str] = []
        self._flushed = time.monotonic()
        self._is_left = False
        before = load_begun(self.folder)
        if resume and before is not None and before.key != begun.key:
            other = "by --on ray, or with" if before.partition_rows else "with"
            raise UsageError(
                f"--resume: {output} was begun {other} other images or another run",
                "give the same ones again, or --overwrite in place of --resume to start over",
            )
        if not resume or before is None:
            for part in _list_parts(self.folder):
                part.unlink()
            runs.write_json(self.folder / BEGUN, asdict(begun))
        self.resumed = sum(1 for _ in _read_lines(self.folder))
        """Rows that were there already."""

    def done_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows that are written, in order."""
        for line in _read_lines(self.folder):
            yield json.loads(line)

    def write(self, row: dict[str, Any]) -> None:
        """Add one row."""
        self._held.append(json.dumps(row, ensure_ascii=False))
        if len(self._held) >= PART_ROWS or time.monotonic() - self._flushed >= PART_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the rows held as one more part, whole or not at all."""
        if self._held:
            text = "\n".join(self._held) + "\n"
            part = self.folder / f"part-{len(_list_parts(self.folder)):06d}.jsonl"
            runs.write_file(part, lambda aside: aside.write_text(text, encoding="utf-8"))
            self._held, self._flushed = [], time.monotonic()

    def finish(self) -> None:
        """Write the output from the parts and remove them."""
        self.flush()
        writers: dict[str, Callable[[Path, Sequence[str], Iterable[dict[str, Any]]], None]] = {
            ".csv": write_csv,
            ".parquet": functools.partial(write_parquet, numbers=self.columns.numbers, types=self.columns.types),
            ".jsonl": write_lines,
        }
        write = writers[self.output.suffix.lower()]
        runs.write_file(self.output, lambda aside: write(aside, self.columns.names, self.done_rows()))
        self.remove_parts()

    def remove_parts(self) -> None:
        """Remove the hidden folder. Windows keeps the lock, which is open, and so the folder, until `sweep`."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._is_left = self.folder.is_dir()

    def sweep(self) -> None:
        """Remove what `remove_parts` had to leave, once the lock is free; what another process holds stays."""
        if self._is_left:
            sweep_lock(self.output)


@contextmanager
def writing_table(output: Path, columns: TableColumns, begun: Begun, resume: bool) -> Iterator[PredictionTable]:
    """Give a table to fill; it appears at `output` when the block ends well.

    When it does not, the rows so far stay in the hidden folder beside it, for `--resume`. Raises UsageError where
    another process writes the same table now.
    """
    with ExitStack() as last, locking_table(output):
        table = PredictionTable(output, columns, begun, resume)
        last.callback(table.sweep)  # when the lock is free again
        try:
            yield table
        except BaseException:
            with suppress(OSError):
                table.flush()
            if not _list_parts(table.folder):
                table.remove_parts()
            raise
        table.finish()


def sweep_lock(output: Path) -> None:
    """Remove the hidden folder of a table where it holds the lock alone, and nobody has that."""
    with suppress(OSError):
        (find_parts(output) / LOCK).unlink(missing_ok=True)
        find_parts(output).rmdir()


@contextmanager
def locking_table(output: Path) -> Iterator[None]:
    """Hold the lock of a table's place while the block runs; raises UsageError where another process writes it."""
    try:
        with locking(find_parts(output) / LOCK):
            yield
    except InUseError as error:
        writer = f"process {error.holder}" if error.holder else "another process"
        raise UsageError(
            f"--output {output}: another sightx predict ({writer}) writes it now",
            "wait until it is done, or name another file",
        ) from error
