"""Reads Parquet as text, column by column: whole numbers without .0, nothing for what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.errors import DataError
from sightx_cli.tables.grid import LARGEST_WHOLE

if TYPE_CHECKING:
    import pandas as pd


def read_parquet_columns(path: Path) -> tuple[list[str], list[pd.Series[str]]]:
    """Read a file of Parquet without what pandas notes in it: an index is a column like any other.

    Returns the names of the columns, which may be alike, and their cells.

    Raises: `DataError` for a file that is damaged, or none of Parquet.
    """
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            read = file.read()
        read.validate(full=True)
        return list(read.column_names), [to_text_column(column) for column in read.columns]
    except Exception as error:  # what pyarrow and pandas raise for a flipped bit depends on which
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{path} is not a readable Parquet file: {reason}", "save it again, or copy it again"
        ) from error


def to_text_column(column: Any) -> pd.Series[str]:
    """Return a column (`pyarrow.Array` or `ChunkedArray`) as text; text and whole numbers without an object a row."""
    import pandas as pd
    from pyarrow import string, types

    if types.is_string(column.type) or types.is_large_string(column.type) or types.is_integer(column.type):
        return pd.Series(column.cast(string()).fill_null("").to_pandas(), dtype=str)
    return pd.Series(to_texts(column.to_pandas()), dtype=str)


def to_texts(column: pd.Series[Any]) -> list[str]:
    """Return a column's values as the text of cells."""
    import pandas as pd

    if pd.api.types.is_float_dtype(column.dtype):
        given = column.dropna()
        if ((given % 1 == 0) & (given.abs() <= LARGEST_WHOLE)).all():
            column = column.astype("Int64")  # integer grades with missing values are stored as 0.0, 1.0: they mean 0, 1
    return [_to_text(value) for value in column]


def _to_text(value: object) -> str:
    import pandas as pd

    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
