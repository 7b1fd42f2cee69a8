"""Reads a table of images (CSV, TSV or Parquet) as text: a label 0 stays "0", a label NA stays "NA"."""

from __future__ import annotations

import csv
import difflib
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.data.cells import unshield_cell
from sightx_cli.errors import DataError
from sightx_cli.filesystem import check_ordinary

if TYPE_CHECKING:
    import pandas as pd

TABLE_SUFFIXES = (".csv", ".tsv", ".parquet", ".pq")
NAMED_COLUMNS = 20
"""The most columns that a message lists: a spreadsheet saved whole has 16,384."""
LARGEST_WHOLE = 2**53
"""Every whole number up to this is itself as a float."""


def is_table_name(path: Path) -> bool:
    """Whether a file of this name is read as a table."""
    return path.suffix.lower() in TABLE_SUFFIXES


def read_table(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """Read a table with every value as text, column names stripped, and those known to SightX in lower case.

    A CSV may be separated by commas, semicolons (the default of spreadsheets in much of Europe) or tabs.

    Raises: `DataError` if the file cannot be read, is empty, or lacks a column of `needed`.
    """
    try:
        check_ordinary(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    table = _read_parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _read_text(path)
    names = [tidy(str(name)) for name in table.columns]
    known = ("image", "label", "split", "group")
    taken = set(names)
    names = [name.lower() if name.lower() in known and name.lower() not in taken else name for name in names]
    _refuse_doubled(names, path)
    table.columns = names
    check_columns(table, path, needed)
    if table.empty:
        raise DataError(f"{path} has no rows", "add one row for each image, such as: scans/a.png,healthy")
    return table


def tidy(text: str) -> str:
    """Return a name as it is compared: without blanks around it, composed (NFC): macOS writes é as e and an accent."""
    return unicodedata.normalize("NFC", text).strip()


def tidy_values(values: Sequence[str], what: str) -> tuple[list[str], str]:
    """Tidy names that are compared with each other; also return what became the same by it, in words ("" for nothing).

    `what` says what they are, such as "patient".
    """
    tidied = [tidy(value) for value in values]
    forms: dict[str, set[str]] = {}
    for value, name in zip(values, tidied, strict=True):
        forms.setdefault(name, set()).add(value)
    several = [(name, found) for name, found in forms.items() if name and len(found) > 1]
    if not several:
        return tidied, ""
    name, found = several[0]
    return tidied, f"{what}: {' and '.join(map(repr, sorted(found)))} are read as one, {name!r}" + (
        f", and {len(several) - 1:,} more likewise" if len(several) > 1 else ""
    )


def check_columns(table: pd.DataFrame, path: Path, needed: Sequence[str]) -> None:
    """Raise DataError where a table lacks a column of `needed`, with the column that may be meant."""
    names = list(table.columns)
    missing = [name for name in needed if name not in names]
    if missing:
        near = difflib.get_close_matches(missing[0], names, 1, 0.5)
        more = [f"and {len(names) - NAMED_COLUMNS:,} more"] if len(names) > NAMED_COLUMNS else []
        raise DataError(
            f"{path} has no column {missing[0]!r}; its columns are "
            f"{', '.join([f'{name:.40}' for name in names[:NAMED_COLUMNS]] + more) or 'none'}",
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
            rows = [
                (reader.line_num, [unshield_cell(cell) for cell in row])
                for row in reader
                if any(cell.strip() for cell in row)
            ]
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
    end = len(row)
    while end > keep and not row[end - 1].strip():
        end -= 1
    return row[:end]


def _refuse_doubled(names: Sequence[str], path: Path) -> None:
    doubled = sorted(name for name, count in Counter(names).items() if count > 1)
    if doubled:
        raise DataError(f"{path} has the column {doubled[0]!r} twice", "rename one of them")


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read Parquet column by column, without what pandas notes in it: an index is a column like any other."""
    import pandas as pd
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            read = file.read()
        read.validate(full=True)
        columns = [_to_texts(column.to_pandas()) for column in read.columns]
    except Exception as error:  # what pyarrow and pandas raise for a flipped bit depends on which
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{path} is not a readable Parquet file: {reason}", "save it again, or copy it again"
        ) from error
    _refuse_doubled(read.column_names, path)
    return pd.DataFrame(dict(zip(read.column_names, columns, strict=True)), dtype=str)


def _to_texts(column: pd.Series[Any]) -> list[str]:
    import pandas as pd

    if pd.api.types.is_float_dtype(column.dtype):
        given = column.dropna()
        if ((given % 1 == 0) & (given.abs() <= LARGEST_WHOLE)).all():
            column = column.astype("Int64")  # integer grades with missing values are stored as 0.0, 1.0: they mean 0, 1
    return [_to_text(value) for value in column]


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
