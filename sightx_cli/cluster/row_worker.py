"""Workers that Ray starts on its nodes: each holds a compiled model and predicts partitions of rows.

They are given numbers of partitions and give their content back; nothing is written where they run. What they are given
is read with the rights that their node has.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sightx_cli.bundle.partitions import ORDER_KEY
from sightx_cli.bundle.predicted_rows import RowCounts, predict_asked
from sightx_cli.bundle.predictor import Prediction, Predictor
from sightx_cli.bundle.table import TableColumns, build_answer
from sightx_cli.bundle.table_writers import write_parquet
from sightx_cli.cluster.packed_model import PackedModel, load_packed
from sightx_cli.cluster.row_file import read_rows
from sightx_cli.data.pixel_notices import PixelTally
from sightx_cli.data.queries import QueryRow
from sightx_cli.data.readers import Found
from sightx_cli.data.readers.remote_file import hide_secrets
from sightx_cli.dicom.pseudonyms import adopt_key
from sightx_cli.machine import limit_threads
from sightx_cli.task.task import Task

LOST = "each worker that was given it died: one of the images beside it may be why"
"""The error of the rows of a partition that could not be made."""
PLAIN = Found()
"""Of a file that nothing is to be said of."""


@dataclass(frozen=True)
class RowOrder:
    """What a worker is asked to do, the same for all."""

    columns: TableColumns
    partition_rows: int
    batch: int | None
    views: int
    threads: int
    key: bytes = field(repr=False)
    """That of pseudonyms: the same for all workers as here."""
    device: str = "cpu"
    abstains: bool = False
    is_parquet: bool = False
    """Whether partitions are Parquet, with the number of each row, or JSON lines as `bundle.table` has them."""


@dataclass(frozen=True)
class MadeNotes:
    """What is said of a partition beside its content."""

    counts: RowCounts
    plain: int
    """Files of which there is nothing to say."""
    found: tuple[tuple[str, Found], ...]
    """The others, by name."""
    defect: str = ""
    """What stopped the worker, where that is no fault of an image."""


@dataclass
class HeldRows:
    """A table in memory (see `bundle.predicted_rows.RowTable`)."""

    columns: TableColumns
    rows: list[dict[str, Any]] = field(default_factory=list)
    resumed: int = 0

    def done_rows(self) -> Iterator[dict[str, Any]]:
        """Yield nothing: a partition begins empty."""
        return iter(())

    def write(self, row: dict[str, Any]) -> None:
        """Add one row."""
        self.rows.append(row)


class FoundFiles(PixelTally):
    """What is found in files, kept to be counted elsewhere; of most there is nothing to say."""

    def __init__(self) -> None:
        self.plain = 0
        self.kept: list[tuple[str, Found]] = []

    def add(self, image: str, found: Found) -> None:
        """Keep one."""
        if found == PLAIN:
            self.plain += 1
        else:
            self.kept.append((image, found))


class RowWorker:
    """Predicts the rows of partitions."""

    def __init__(self, order: RowOrder, model: Any, rows: Any) -> None:
        """Load what lies in Ray's store: a `PackedModel`, and the content of a row file."""
        import ray

        limit_threads(order.threads)
        adopt_key(order.key)
        self._order, self._rows = order, ray.get(rows)
        self._predictor = self.load(ray.get(model))

    def load(self, model: PackedModel) -> Predictor:
        """Load the model."""
        return load_packed(model, self._order.batch, self._order.views, self._order.device)

    def __call__(self, batch: Mapping[str, Sequence[int]]) -> dict[str, Any]:
        """Predict the partitions of these numbers (column `number`); `made` holds a (content, `MadeNotes`) of each."""
        numbers = [int(number) for number in batch["number"]]
        made = np.empty(len(numbers), object)
        for place, number in enumerate(numbers):
            made[place] = self.try_partition(number)
        return {"number": numbers, "made": made}

    def try_partition(self, number: int) -> tuple[Any, MadeNotes]:
        """Predict one partition; notes the error that stopped it, which Ray would take for a worker that died."""
        try:
            return self.predict(number)
        except Exception as error:
            counts = RowCounts.of(self._order.columns.task)
            return None, MadeNotes(counts, 0, (), hide_secrets(f"{type(error).__name__}: {error}"))

    def predict(self, number: int) -> tuple[Any, MadeNotes]:
        """Predict one partition: its content, and what is said of it."""
        order = self._order
        asked, table, found = read_rows(self._rows, number), HeldRows(order.columns), FoundFiles()
        for _ in predict_asked(asked, self._predictor, table, found, abstains=order.abstains):
            pass
        notes = MadeNotes(count_rows(table.rows, order.columns.task), found.plain, tuple(found.kept))
        return write_partition(table.rows, number, order), notes


def count_rows(rows: Sequence[Mapping[str, Any]], task: Task) -> RowCounts:
    """Count what rows say."""
    counts = RowCounts.of(task)
    for row in rows:
        counts.add(row, task)
    return counts


def write_lost_partition(asked: Sequence[QueryRow], number: int, order: RowOrder) -> tuple[bytes, RowCounts]:
    """Write a partition that no worker lived to make: its rows have that as their error."""
    answer = build_answer(Prediction("", None, LOST), order.columns)
    rows = [order.columns.build_row(row, answer) for row in asked]
    return write_partition(rows, number, order), count_rows(rows, order.columns.task)


def write_partition(rows: Sequence[dict[str, Any]], number: int, order: RowOrder) -> bytes:
    """Write a partition's rows: as Parquet with the number of each, or as lines."""
    if not order.is_parquet:
        return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode("utf-8")
    import pyarrow

    first, file = number * order.partition_rows, io.BytesIO()
    numbered = ({ORDER_KEY: str(first + place), **row} for place, row in enumerate(rows))
    types = {**order.columns.types, ORDER_KEY: pyarrow.int64()}
    write_parquet(file, [ORDER_KEY, *order.columns.names], numbered, order.columns.numbers, types)
    return file.getvalue()
