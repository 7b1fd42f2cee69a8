"""A table of predictions that grows: a CSV file whose rows are there, whole, as soon as their images are labelled.

Whatever stops the process, it can be gone on with: a row is written in one piece, and half a row that a killed process
or a full disk left behind is taken away before the next is written.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from sightx_cli import runs
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.bundle.predictor import Prediction
from sightx_cli.bundle.table import TableColumns, build_answer, check_output, plan_columns
from sightx_cli.bundle.table_writers import format_cells
from sightx_cli.data.arrivals import Arrival
from sightx_cli.data.cells import shield_cell, unshield_cell
from sightx_cli.data.queries import QueryRow
from sightx_cli.errors import RunError, UsageError, quote
from sightx_cli.filesystem import flush_to_disk

IMAGE, ARRIVED, MODEL = "image", "arrived", "model"
"""The columns beside the answers: the file's path, when it was last changed, and what identifies the model."""
SUFFIX = ".csv"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = "\r\n"


@dataclass(frozen=True)
class LiveColumns:
    """The columns of a growing table, and what identifies the model that fills it."""

    answers: TableColumns
    model: str
    abstains: bool = False

    @property
    def names(self) -> list[str]:
        """All names in their order. The model is the last: a row that ends with it is whole."""
        return [*self.answers.names, MODEL]

    def build_row(self, arrival: Arrival, prediction: Prediction) -> dict[str, Any]:
        """Build the row of an image."""
        asked = QueryRow(arrival.path, arrival.path, (arrival.path, write_time(arrival.changed_ns)))
        answer = build_answer(prediction, self.answers, self.abstains)
        return {**self.answers.build_row(asked, answer), MODEL: self.model}


def plan_live_columns(facts: BundleFacts, abstains: bool, views: int) -> LiveColumns:
    """Plan the columns for a model, and for how it is asked."""
    text = json.dumps([facts.to_json(), abstains, views], sort_keys=True)
    columns = plan_columns(facts.task, (IMAGE, ARRIVED), facts.decision)
    return LiveColumns(columns, hashlib.sha256(text.encode()).hexdigest()[:12], abstains)


def write_time(changed_ns: int) -> str:
    """Write a file's time of change, to the microsecond, in UTC; as a number of them where no calendar has it."""
    try:
        moment = _EPOCH + timedelta(microseconds=changed_ns // 1000)
    except OverflowError:
        return str(changed_ns // 1000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: str) -> int:
    """Return the nanoseconds of what `write_time` wrote. Raises ValueError for anything else."""
    if text.removeprefix("-").isdecimal():
        return int(text) * 1000
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1) * 1000


def check_live_output(output: Path, overwrite: bool) -> None:
    """Check that a growing table can be written, before any work. Raises UsageError where it cannot."""
    if output.suffix.lower() != SUFFIX:
        named = output.with_name(f"{output.stem or 'predictions'}{SUFFIX}")
        raise UsageError(
            f"--output {output}: a watched folder's table grows row by row; allowed: {SUFFIX}",
            f"--output {quote(named)}",
        )
    check_output(output, overwrite=overwrite or output.exists())


class LiveTable:
    """A table that rows are added to, at its place; one that is there already is gone on with.

    Raises UsageError where that has other columns or was filled by another model, RunError where it cannot be read.
    """

    def __init__(self, output: Path, columns: LiveColumns, overwrite: bool = False) -> None:
        self.output, self.columns = output, columns
        if overwrite or not output.exists() or not output.stat().st_size:
            header = self._format(format_cells({name: name for name in columns.names}))
            runs.write_file(output, lambda aside: aside.write_bytes(header))
        self.removed = self._mend()
        """What was taken away of half a row, in bytes."""
        self._file = output.open("ab", buffering=0)
        self._size = output.stat().st_size

    def read_rows(self) -> Iterator[Mapping[str, str]]:
        """Yield the rows that are there, as text, as they were before they were written.

        Raises UsageError for one of another model, RunError for what is no row.
        """
        with self.output.open(encoding="utf-8-sig", newline="") as lines:
            try:
                for cells in csv.DictReader(lines, strict=True):
                    row = {name: unshield_cell(text) for name, text in cells.items()}
                    if row[MODEL] != self.columns.model:
                        self._refuse("was filled by another model, or one that was asked in another way")
                    parse_time(row[ARRIVED])  # whoever asks for the rows reads it
                    yield row
            except (csv.Error, ValueError, TypeError, AttributeError) as error:
                raise RunError(
                    f"{self.output}: cannot be read as a table of predictions ({error})", "name another file"
                ) from error

    def write(self, row: Mapping[str, Any]) -> None:
        """Add a row, whole or not at all. Raises OSError where the disk is full, RunError where the file is gone."""
        try:
            if not os.path.samestat(os.fstat(self._file.fileno()), self.output.stat()):
                raise FileNotFoundError
        except FileNotFoundError:
            raise RunError(
                f"{self.output}: was moved, removed or replaced while rows were added to it",
                "type the same command again: it goes on, with a new table where there is none",
            ) from None
        text = self._format(format_cells(row))
        try:
            written = self._file.write(text)
            if written != len(text):
                self._file.write(text[written:])
        except OSError:
            with suppress(OSError):
                self._file.truncate(self._size)
            raise
        self._size += len(text)

    def flush(self) -> None:
        """Wait until all rows are on the disk, where a power cut cannot lose them."""
        flush_to_disk(self.output)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _format(self, cells: Mapping[str, Any]) -> bytes:
        line = io.StringIO()
        csv.writer(line, lineterminator=_END).writerow([cells[name] for name in self.columns.names])
        return line.getvalue().encode()

    def _mend(self) -> int:
        """End the last row where only its end is missing, and take it away where more is; returns how much that was.

        Raises UsageError where the columns are others.
        """
        whole, quotes, last, is_first = 0, 0, b"", True
        with self.output.open("r+b") as file:
            for line in file:
                last += line
                quotes += line.count(b'"')
                if quotes % 2 or not line.endswith(b"\n"):
                    continue
                if is_first:
                    self._check_header(last)
                whole, quotes, last, is_first = whole + len(last), 0, b"", False
            if is_first:
                self._check_header(last)
            row = last.removesuffix(b"\r")
            if row.endswith(f",{self.columns.model}".encode()) and not quotes % 2:
                file.seek(whole + len(row))
                file.write(_END.encode())
                return 0
            file.truncate(whole)
            return len(last)

    def _check_header(self, line: bytes) -> None:
        try:
            found = next(csv.reader([line.decode().removeprefix("\ufeff")]), [])
        except (UnicodeDecodeError, csv.Error):
            found = []
        if found != [str(shield_cell(name)) for name in self.columns.names]:
            self._refuse("has other columns than this model's table")

    def _refuse(self, why: str) -> NoReturn:
        raise UsageError(
            f"--output {self.output}: {why}", "name another file, or add --overwrite to replace it and begin anew"
        )
