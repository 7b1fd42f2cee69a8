"""The types that a Parquet table's own columns have, so that what is written of them as Parquet can have them again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MAGIC = b"PAR1"
"""How a file of Parquet begins."""


def find_column_types(path: Path, frame: pd.DataFrame) -> dict[str, Any]:
    """Find the type (a `pyarrow.DataType`) of each column of a table that has another than text.

    Only of those whose every value is the same again when its text in `frame` is read as that type: numbers, dates,
    times, yes and no. None for a table that is not Parquet.
    """
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return {}
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        read = file.read()
    if read.num_rows != len(frame):
        return {}
    names = [name for name in read.column_names if name in frame.columns and read.column_names.count(name) == 1]
    return {name: read.column(name).type for name in names if is_kept(read.column(name), frame[name].tolist())}


def is_kept(column: Any, texts: Sequence[str]) -> bool:
    """Whether a column of another type than text is the same again from its cells as text; what is missing aside."""
    import pyarrow
    import pyarrow.compute
    from pyarrow import types

    kinds = (types.is_integer, types.is_floating, types.is_boolean, types.is_date, types.is_timestamp, types.is_decimal)
    if not any(is_kind(column.type) for is_kind in kinds):
        return False
    try:
        same = pyarrow.compute.equal(cast_texts(texts, column.type), column)
    except pyarrow.ArrowException:
        return False
    return pyarrow.compute.all(same).as_py() is not False


def cast_texts(texts: Sequence[str], kind: Any) -> Any:
    """Read cells as a type; an empty one is missing. Raises `pyarrow.ArrowException` where one cannot be read."""
    import pyarrow

    return pyarrow.array([text or None for text in texts], pyarrow.string()).cast(kind)
