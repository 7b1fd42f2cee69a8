"""Reads Excel workbooks as text, each cell as a person sees it: 7 and not 7.0, 2024-03-05, 007 where it says so."""

from __future__ import annotations

import datetime
import itertools
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sightx_cli.errors import DataError
from sightx_cli.progress import Notice
from sightx_cli.tables.grid import HEADER_LINES, LARGEST_WHOLE, Grid, IsHeader, find_header


def read_workbook_grid(path: Path, is_header: IsHeader) -> Grid:
    """Read the first visible sheet with a header that `is_header` knows, else the first that is not empty.

    Other sheets are passed over, which is said; hidden columns and rows are read like any other.

    Raises: `DataError` for what is no workbook, and where the package that reads them is missing.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise DataError(
            f"{path} is an Excel workbook, and the package openpyxl that reads them is not installed",
            'type pip install "sightx-cli[tables]", or save the sheet as CSV UTF-8',
        ) from error
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of what only matters to who writes the workbook again
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheets = [(sheet.title, sheet) for sheet in book.worksheets if sheet.sheet_state == "visible"]
            chosen, grid = _choose_sheet([(title, _read_rows(sheet)) for title, sheet in sheets], is_header)
    except Exception as error:  # what openpyxl and zipfile raise for a damaged file depends on where the damage is
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path} is not a readable workbook: {reason}", "save it again, or copy it again") from error
    others = [title for title, _ in sheets if title != chosen]
    if others and grid.rows:
        text = (
            f"read the sheet {chosen!r} of {path.name}; passed over {', '.join(map(repr, others[:5]))}"
            + (f" and {len(others) - 5:,} more" if len(others) > 5 else "")
            + ": for another, move it to the front"
        )
        grid.notices.append(Notice("other-sheets", text, len(others)))
    return find_header(grid, path, is_header)


def _choose_sheet(sheets: list[tuple[str, Iterator[tuple[int, list[str]]]]], is_header: IsHeader) -> tuple[str, Grid]:
    """Read the first sheet with a known header, else the first that is not empty."""
    first: tuple[str, Grid] = ("", Grid([], divider=""))
    for title, rows in sheets:
        grid = Grid(list(itertools.islice(rows, HEADER_LINES)), divider="")
        if any(is_header(row) for _, row in grid.rows):
            grid.rows.extend(rows)
            return title, grid
        if grid.rows and not first[1].rows:
            grid.rows.extend(rows)
            first = (title, grid)
    return first


def _read_rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """Read the rows with their numbers, up to the last that has a value."""
    sheet.reset_dimensions()  # some programs note a size that is not the sheet's
    blank = []
    for number, cells in enumerate(sheet.iter_rows(), 1):
        row = [_write_cell(cell) for cell in cells]
        if not any(cell.strip() for cell in row):
            blank.append((number, row))
            continue
        yield from blank
        blank = []
        yield number, row


def _write_cell(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        if value != value or value % 1 or abs(value) > LARGEST_WHOLE:
            return str(value)
        digits = cell.number_format if re.fullmatch("0+", cell.number_format) else ""
        return str(int(value)).zfill(len(digits))
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")
    return str(value)
