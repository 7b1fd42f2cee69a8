"""Reads a table of images (CSV, TSV or Parquet) as text: a label 0 stays "0", a label NA stays "NA"."""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")


def is_table_name(path: Path) -> bool:
    """Whether a file of this name is read as a table."""
    return path.suffix.lower() in TABLE_SUFFIXES


def read_table(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """Read a table with every value as text, column names stripped, and those known to SightX in lower case.

    A CSV may be separated by commas, semicolons (the default of spreadsheets in much of Europe) or tabs.

    Raises: `DataError` if the file cannot be read, is empty, or lacks a column of `needed`.
    """
    table = _read_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _read_text(path)
    names = [str(name).strip() for name in table.columns]
    known = ("image", "label", "split", "group")
    taken = set(names)
    names = [name.lower() if name.lower() in known and name.lower() not in taken else name for name in names]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DataError(f"{path} has the column {doubled[0]!r} twice", "rename one of them")
    table.columns = names
    check_columns(table, path, needed)
    if table.empty:
        raise DataError(f"{path} has no rows", "add one row for each image, such as: scans/a.png,healthy")
    return table


def check_columns(table: pd.DataFrame, path: Path, needed: Sequence[str]) -> None:
    """Raise DataError where a table lacks a column of `needed`, with the column that may be meant."""
    names = list(table.columns)
    missing = [name for name in needed if name not in names]
    if missing:
        near = difflib.get_close_matches(missing[0], names, 1, 0.5)
        raise DataError(
            f"{path} has no column {missing[0]!r}; its columns are {', '.join(names) or 'none'}",
            f"rename {near[0]!r} to {missing[0]!r}" if near else "a table needs the columns image and label",
        )


def _read_text(path: Path) -> pd.DataFrame:
    """Read text with Python's csv and count the cells: after an extra comma pandas takes a column for an index."""
    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            divider = max((",", ";", "\t"), key=header.count)
            reader = csv.reader(file, delimiter=divider, skipinitialspace=True)
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text", "save it again as CSV with UTF-8 encoding") from error
    except csv.Error as error:
        raise DataError(f"{path} is not a readable table: {error}", "open it in an editor to check") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not rows:
        raise DataError(f"{path} is empty", "its first line must name the columns: image,label")
    names = _drop_empty_tail(rows[0][1], 0)
    cells = [(line, _drop_empty_tail(row, len(names))) for line, row in rows[1:]]
    for line, row in cells:
        if len(row) > len(names):
            raise DataError(
                f"{path}: line {line} has {len(row)} cells, the header has {len(names)}",
                f'put values that contain "{divider}" in double quotes',
            )
    padded = [row + [""] * (len(names) - len(row)) for _, row in cells]
    return pd.DataFrame(padded, columns=names, dtype=str)


def _drop_empty_tail(row: list[str], keep: int) -> list[str]:
    while len(row) > keep and not row[-1].strip():
        row = row[:-1]
    return row


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        table = pd.read_parquet(path)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise DataError(f"{path} is not a readable Parquet file: {error}") from error
    for name in table.columns:
        column = table[name]
        if pd.api.types.is_float_dtype(column.dtype) and (column.dropna() % 1 == 0).all():
            column = column.astype("Int64")  # integer grades with missing values are stored as 0.0, 1.0: they mean 0, 1
        # Not `map`: pandas before version 3 hands whole numbers with a missing one over as floats.
        table[name] = pd.Series([_to_text(value) for value in column], column.index, dtype=str)
    return table.reset_index(drop=True)


def _to_text(value: object) -> str:
    import pandas as pd

    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def exists(path: str | Path) -> bool:
    """Whether a path exists; False too if access is denied or the name is impossible."""
    try:
        return Path(path).exists()
    except OSError:
        return False


def locate_image(image: str, root: Path) -> str:
    """The absolute path that a table's `image` means: relative to `root`, with either kind of separator."""
    path = root / image
    if os.sep == "/" and "\\" in image and not exists(path):
        path = root / image.replace("\\", "/")
    return str(path)
