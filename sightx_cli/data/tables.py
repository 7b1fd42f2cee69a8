"""Reads a table of images (CSV, TSV, Excel or Parquet) as text: a label 0 stays "0", a label NA stays "NA"."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.cells import unshield_cell
from sightx_cli.errors import DataError
from sightx_cli.filesystem import check_ordinary
from sightx_cli.progress import Notice
from sightx_cli.tables.column_names import is_header, list_names
from sightx_cli.tables.grid import Grid
from sightx_cli.tables.parquet_grid import read_parquet_columns
from sightx_cli.tables.text_grid import read_text_grid
from sightx_cli.tables.workbook import read_workbook_grid

if TYPE_CHECKING:
    import pandas as pd

TABLE_SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet", ".pq")
OTHER_SUFFIXES = (".tab", ".xlsm", ".xls", ".ods")
"""Also taken for tables: text whatever it is called, or refused by what it is."""
PARQUET, ZIP, OLE = b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
"""How a file of Parquet, a workbook, and one of the old kind or behind a password begin."""


@dataclass(frozen=True)
class Table:
    """A table as the user wrote it: every cell is text, verbatim; the names of columns are tidied, and no two alike."""

    frame: pd.DataFrame
    lines: Sequence[int]
    """The line or row of the file that each row stands in, from 1."""
    notices: tuple[Notice, ...] = ()
    """How it was read, where that was not the only way."""


def is_table_name(path: Path) -> bool:
    """Whether a file of this name is read as a table."""
    return path.suffix.lower() in TABLE_SUFFIXES + OTHER_SUFFIXES


def read_table(path: Path) -> Table:
    """Read a table, told by its content: text in any usual encoding and separator, an Excel workbook, or Parquet.

    Raises: `DataError` if the file cannot be read, is no table, or has no rows.
    """
    try:
        check_ordinary(path)
        with path.open("rb") as file:
            start = file.read(128)
        is_parquet = start.startswith(PARQUET) or path.suffix.lower() in (".parquet", ".pq")
        table = _build_parquet_table(path) if is_parquet else _build_table(_read_grid(path, start), path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if table.frame.empty:
        raise DataError(f"{path} has no rows", "add one row for each image, such as: scans/a.png,healthy")
    return table


def _read_grid(path: Path, start: bytes) -> Grid:
    is_zip = start.startswith(ZIP)
    if start.startswith(OLE) or (is_zip and b"opendocument" in start):
        kind = "an OpenDocument spreadsheet" if is_zip else "an old Excel workbook, or one with a password,"
        raise DataError(f"{path}: {kind} is not read", "save it as .xlsx without a password, or as CSV UTF-8")
    if is_zip:
        return read_workbook_grid(path, is_header)
    grid = read_text_grid(path, path.read_bytes(), is_header)
    return replace(
        grid,
        rows=[(line, [unshield_cell(cell) if cell[:1] == "'" else cell for cell in row]) for line, row in grid.rows],
    )


def require_columns(table: Table, path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """Return a table's rows with the columns of `needed` under these names, in whatever case they were written.

    Raises: `DataError` where one is missing, with the column that may be meant.
    """
    names = list(table.frame.columns)
    found = {name: name.lower() for name in names if name.lower() in needed and name.lower() not in names}
    frame = table.frame.rename(columns=found)
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        near = difflib.get_close_matches(missing[0], names, 1, 0.5)
        raise DataError(
            f"{path} has no column {missing[0]!r}; its columns are {list_names(names)}",
            f"rename {near[0]!r} to {missing[0]!r}" if near else f"it needs the columns {' and '.join(needed)}",
        )
    return frame


def rename_given(names: Sequence[str], own: Collection[str]) -> dict[str, str]:
    """Name the user's columns beside ours, in their order: one that bears a name of ours is kept as `…_given`."""
    kept: dict[str, str] = {}
    for name in names:
        free = name
        while free in own or (free != name and free in names):
            free = f"{free}_given"
        kept[name] = free
    return kept


def tidy(text: str) -> str:
    """Return a name as it is compared: without blanks around it, composed (NFC): macOS writes é as e and an accent."""
    return unicodedata.normalize("NFC", text).strip()


def are_tidy(values: Iterable[str]) -> bool:
    """Whether tidying would change none of some values."""
    return all(tidy(value) == value for value in values)


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


def _build_parquet_table(path: Path) -> Table:
    """Build a table column by column: a million rows as lists of cells take some 500 MB."""
    import pandas as pd

    given, cells = read_parquet_columns(path)
    named = [(tidy(name), column) for name, column in zip(given, cells, strict=True)]
    named = [(name, column) for name, column in named if name or (column.str.strip() != "").any()]
    unnamed = sum(not name for name, _ in named)
    names = [name if name or unnamed == 1 else f"column {place}" for place, (name, _) in enumerate(named, 1)]
    _refuse_doubled(names, path)
    frame = pd.DataFrame(dict(zip(names, (column for _, column in named), strict=True)), dtype=str)
    return Table(frame, range(1, len(frame) + 1))


def _build_table(grid: Grid, path: Path) -> Table:
    import pandas as pd

    if not grid.rows:
        raise DataError(f"{path} is empty", "its first line must name the columns: image,label")
    names = [tidy(name) for name in _drop_empty_tail(grid.rows[0][1], 0)]
    cells = [(line, _drop_empty_tail(row, len(names)) if len(row) > len(names) else row) for line, row in grid.rows[1:]]
    longest = max((len(row) for _, row in cells), default=0)
    if not grid.divider:
        names += [""] * (longest - len(names))
    elif longest > len(names):
        line, row = next((line, row) for line, row in cells if len(row) > len(names))
        raise DataError(
            f"{path}: line {line} has {len(row)} cells, the header has {len(names)}",
            f'put values that contain "{grid.divider}" in double quotes',
        )
    padded = [row + [""] * (len(names) - len(row)) for _, row in cells]
    kept = [place for place, name in enumerate(names) if name or any(row[place].strip() for row in padded)]
    if len(kept) < len(names):
        padded = [[row[place] for place in kept] for row in padded]
    unnamed = sum(not names[place] for place in kept)
    columns = [names[place] if names[place] or unnamed == 1 else f"column {place + 1}" for place in kept]
    _refuse_doubled(columns, path)
    return Table(pd.DataFrame(padded, columns=columns, dtype=str), [line for line, _ in cells], tuple(grid.notices))


def _drop_empty_tail(row: list[str], keep: int) -> list[str]:
    end = len(row)
    while end > keep and not row[end - 1].strip():
        end -= 1
    return row[:end]


def _refuse_doubled(names: Sequence[str], path: Path) -> None:
    doubled = sorted(name for name, count in Counter(names).items() if count > 1)
    if doubled:
        raise DataError(f"{path} has the column {doubled[0]!r} twice", "rename one of them")


def exists(path: str | Path) -> bool:
    """Whether a path exists; False too if access is denied or the name is impossible."""
    try:
        return Path(path).exists()
    except OSError:
        return False
