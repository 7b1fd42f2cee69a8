"""The files of a table: CSV, Parquet and JSON lines, written row by row."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from sightx_cli.data.cells import shield_cell
from sightx_cli.tables.parquet_types import cast_texts

GROUP_ROWS = 1000
"""Rows that Parquet holds together: the most that memory holds."""


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as CSV with a header; probabilities with six digits, no name as a formula (see `data.cells`)."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writerow({name: shield_cell(name) for name in columns})
        for row in rows:
            writer.writerow(format_cells(row))


def format_cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cells of a row as CSV has them."""
    return {k: f"{v:.6f}" if isinstance(v, float) else shield_cell(v) for k, v in row.items()}


def write_lines(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as one JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({name: row[name] for name in columns}, ensure_ascii=False) + "\n")


def write_parquet(
    path: Path | IO[bytes],
    columns: Sequence[str],
    rows: Iterable[dict[str, Any]],
    numbers: Collection[str],
    types: Mapping[str, Any],
) -> None:
    """Write rows as Parquet, one group of rows after the other.

    `path` may be an open file. `numbers` are the columns of ours that are not text; `types` those of the user's that
    are not, with their type (see `tables.parquet_types`).
    """
    import pyarrow
    import pyarrow.parquet

    kinds = {name: pyarrow.float32() if name in numbers else types.get(name, pyarrow.string()) for name in columns}
    schema = pyarrow.schema(list(kinds.items()))
    source = iter(rows)
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        while group := list(itertools.islice(source, GROUP_ROWS)):
            held = {name: [row[name] for row in group] for name in columns}
            arrays = [
                cast_texts(cells, kinds[name]) if name in types else pyarrow.array(cells, kinds[name])
                for name, cells in held.items()
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
