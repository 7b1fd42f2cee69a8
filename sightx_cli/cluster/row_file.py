"""The rows asked for as one file with a group of rows for each partition: what is sent to the workers.

Names and cells are bytes: a file's name need not be valid text.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.data.queries import QueryRow

IMAGE, PATH, CELL = "image", "path", "cell"


@dataclass(frozen=True)
class RowFile:
    """Rows in a file, and what identifies them."""

    path: Path
    rows: int
    partition_rows: int
    digest: str
    """Of all rows in their order."""


def write_row_file(path: Path, rows: Iterable[QueryRow], columns: int, partition_rows: int) -> RowFile:
    """Write rows, each with so many cells, in groups of `partition_rows`."""
    import pyarrow
    import pyarrow.parquet

    names = [IMAGE, PATH, *(f"{CELL}{number}" for number in range(columns))]
    schema = pyarrow.schema([(name, pyarrow.binary()) for name in names])
    digest, count = hashlib.sha256(), 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in group_rows(rows, partition_rows):
            digest.update(json.dumps(group).encode())
            count += len(group)
            listed = [(row.image, row.path, *(row.cells or ("",) * columns)) for row in group]
            arrays = [pyarrow.array(map(_encode, cells), pyarrow.binary()) for cells in zip(*listed, strict=True)]
            table = pyarrow.Table.from_arrays(arrays, schema=schema)
            writer.write_table(table, row_group_size=partition_rows)
    return RowFile(path, count, partition_rows, digest.hexdigest())


def group_rows(rows: Iterable[QueryRow], size: int) -> Iterator[list[QueryRow]]:
    """Yield rows in groups of a size; the last may be smaller."""
    group: list[QueryRow] = []
    for row in rows:
        group.append(row)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def read_rows(content: Any, number: int) -> list[QueryRow]:
    """Read the rows of one partition from a row file's content."""
    import pyarrow
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(pyarrow.BufferReader(content)) as file:
        columns: Sequence[list[bytes]] = [column.to_pylist() for column in file.read_row_group(number).columns]
    texts = (list(map(_decode, one)) for one in zip(*columns, strict=True))
    return [QueryRow(image, path, tuple(cells)) for image, path, *cells in texts]


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
