"""Predictions as Parquet: numbers as numbers, and the user's own columns with the types that they had."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sightx_cli.tables.parquet_types import cast_texts

GROUP_ROWS = 1000
"""Rows that are written together: the most that memory holds."""


def write_parquet(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[dict[str, Any]],
    numbers: Collection[str],
    types: Mapping[str, Any],
) -> None:
    """Write rows, one group after the other.

    `numbers` are the columns of ours that are not text; `types` those of the user's that are not, with their type (see
    `tables.parquet_types`).
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
