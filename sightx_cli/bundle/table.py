"""The table of predictions: CSV, Parquet or JSON lines by the output's name, whole or not at all."""

from __future__ import annotations

import csv
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.bundle.predictor import Prediction
from sightx_cli.data.cells import shield_cell
from sightx_cli.errors import UsageError, quote
from sightx_cli.task.task import Task

SUFFIXES = (".csv", ".parquet", ".jsonl")
PART_ROWS = 1000
"""Rows per part file: the most that a kill loses and that memory holds."""


def check_output(output: Path, overwrite: bool) -> None:
    """Raise UsageError when the output's name says no known format, or when it exists and may not be replaced."""
    if output.suffix.lower() not in SUFFIXES:
        named = output.with_name(f"{output.stem or 'predictions'}.csv")
        raise UsageError(
            f"--output {output}: the ending says no known format; allowed: {', '.join(SUFFIXES)}",
            f"--output {quote(named)}",
        )
    if output.is_dir():
        raise UsageError(f"--output {output}: is a folder", f"--output {quote(output / 'predictions.csv')}")
    if output.exists() and not overwrite:
        raise UsageError(f"--output {output}: exists already", "name another file, or add --overwrite to replace it")


def list_columns(task: Task) -> list[str]:
    """List the columns of a table of predictions: the image, what the task says of it, why it could not be read."""
    return ["image", *task.columns, "error"]


def build_row(prediction: Prediction, task: Task) -> dict[str, Any]:
    """Build a row of the table; without a prediction where the image is unreadable.

    A file name need not be valid text; what is not stands as an escape.
    """
    image, error = _to_text(prediction.image), _to_text(prediction.error)
    return {"image": image, **task.fill_row(prediction.probabilities), "error": error}


def _to_text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


class PredictionTable:
    """A table in the making: rows go to part files of a hidden folder beside the output, which resuming reads again.

    The parts hold JSON lines; the output is written from them, whole, when all rows are there. Memory holds one part.
    """

    def __init__(self, output: Path, columns: Sequence[str], key: str, resume: bool) -> None:
        self.output, self.columns = output, columns
        self.folder = output.with_name(f".{output.name}.parts")
        self._held: list[str] = []
        key_file = self.folder / "key.txt"
        if resume and key_file.is_file() and key_file.read_text() != key:
            raise UsageError(
                f"--resume: {output} was begun with other images or another run",
                "give the same ones again, or leave --resume out to start over",
            )
        if not resume or not key_file.is_file():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
            key_file.write_text(key)
        self.resumed = sum(1 for _ in self._lines())
        """Rows that were there already."""

    def done_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows that are written, in order."""
        for line in self._lines():
            yield json.loads(line)

    def write(self, row: dict[str, Any]) -> None:
        """Add one row."""
        self._held.append(json.dumps(row, ensure_ascii=False))
        if len(self._held) >= PART_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows held as one more part, whole or not at all."""
        if self._held:
            text = "\n".join(self._held) + "\n"
            part = self.folder / f"part-{len(list(self._parts())):06d}.jsonl"
            runs.write_file(part, lambda aside: aside.write_text(text, encoding="utf-8"))
            self._held = []

    def finish(self) -> None:
        """Write the output from the parts and remove them."""
        self.flush()
        writers = {".csv": write_csv, ".parquet": write_parquet, ".jsonl": write_lines}
        write = writers[self.output.suffix.lower()]
        runs.write_file(self.output, lambda aside: write(aside, self.columns, self.done_rows()))
        shutil.rmtree(self.folder)

    def _parts(self) -> Iterator[Path]:
        return iter(sorted(self.folder.glob("part-*.jsonl")))

    def _lines(self) -> Iterator[str]:
        for part in self._parts():
            with part.open(encoding="utf-8") as lines:
                yield from lines


@contextmanager
def writing_table(output: Path, columns: Sequence[str], key: str, resume: bool) -> Iterator[PredictionTable]:
    """Give a table to fill; it appears at `output` when the block ends well.

    When it does not, the rows so far stay in the hidden folder beside it, for `--resume`.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        table = PredictionTable(output, columns, key, resume)
    except OSError as error:
        raise UsageError(f"--output {output}: cannot be written ({error.strerror})", "name another place") from error
    try:
        yield table
    except BaseException:
        with suppress(OSError):
            table.flush()
        raise
    table.finish()


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as CSV with a header; probabilities with six digits, no name as a formula (see `data.cells`)."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writerow({name: shield_cell(name) for name in columns})
        for row in rows:
            writer.writerow({k: f"{v:.6f}" if isinstance(v, float) else shield_cell(v) for k, v in row.items()})


def write_lines(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as one JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({name: row[name] for name in columns}, ensure_ascii=False) + "\n")


def write_parquet(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as Parquet, one group of rows after the other."""
    import pyarrow
    import pyarrow.parquet

    text = ("image", "prediction", "error")
    schema = pyarrow.schema([(c, pyarrow.string() if c in text else pyarrow.float32()) for c in columns])
    source = iter(rows)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while group := list(itertools.islice(source, PART_ROWS)):
            writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))
