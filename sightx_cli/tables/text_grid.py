"""Reads tables of text: any usual encoding and separator, as spreadsheets and scripts write them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from pathlib import Path

from sightx_cli.errors import DataError
from sightx_cli.progress import Notice
from sightx_cli.tables.grid import HEADER_LINES, Grid, IsHeader, find_header

DIVIDERS = (",", ";", "\t", "|")
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATOR_LINE = re.compile(r'\s*"?sep=(.)"?\s*', re.IGNORECASE)


def read_text_grid(path: Path, data: bytes, is_header: IsHeader) -> Grid:
    """Read text with Python's csv and count the cells: after an extra comma pandas takes a column for an index.

    Raises: `DataError` for what is no text, or no table.
    """
    text, notices = _decode(data, path)
    divider, start = _find_divider(text, is_header)
    try:
        reader = csv.reader(io.StringIO(text[start:], newline=""), delimiter=divider, skipinitialspace=True)
        rows = [
            (reader.line_num + (start > 0), row)
            for row in reader
            if len(row) > 1 or (row and row[0].strip())  # a line of separators is a row without values, another is none
        ]
    except csv.Error as error:
        raise DataError(f"{path} is not a readable table: {error}", "open it in an editor to check") from error
    return find_header(Grid(rows, notices, divider), path, is_header)


def _decode(data: bytes, path: Path) -> tuple[str, list[Notice]]:
    """Decode by the mark at the beginning, else as UTF-8, else as UTF-16 or Windows-1252, which is said."""
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    encoding = marked or _guess_wide(data) or "utf-8"
    try:
        text = data.decode(encoding)
        if encoding != "utf-8" or "\0" not in text:
            said = [] if marked or encoding == "utf-8" else [_say_encoding(path, "UTF-16")]
            return text, said
    except UnicodeDecodeError as error:
        if marked:
            raise DataError(f"{path} is damaged: it begins as {encoding} text, and is not", "save it again") from error
    if b"\0" in data:
        raise DataError(f"{path} is not a table of text: it has binary content", "save it again as CSV UTF-8")
    try:
        text, name = data.decode("cp1252"), "Windows-1252"
    except UnicodeDecodeError:
        text, name = data.decode("latin-1"), "Latin-1"
    return text, [_say_encoding(path, name)]


def _guess_wide(data: bytes) -> str | None:
    """Guess UTF-16 without a mark: its separators, digits and line ends have a zero byte, all on one side."""
    start = data[: 4096 - 4096 % 2]
    even, odd = start[::2].count(0), start[1::2].count(0)
    if len(data) % 2 or not max(even, odd) > 3 * min(even, odd):
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _say_encoding(path: Path, name: str) -> Notice:
    text = f"{path.name} is not UTF-8 text and was read as {name}: if letters look wrong, save it again as CSV UTF-8"
    return Notice("encoding", text)


def _find_divider(text: str, is_header: IsHeader) -> tuple[str, int]:
    """Find what stands between the cells, and where the table begins: after a line such as sep=;, if there is one."""
    lines = io.StringIO(text, newline="").readlines(HEADER_LINES * 1000)[:HEADER_LINES]
    said = _SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
    if said:
        return said[1], len(lines[0])
    counted = [(line, max(DIVIDERS, key=line.count)) for line in lines if line.strip()]
    named = (divider for line, divider in counted if is_header(next(csv.reader([line], delimiter=divider), [])))
    return next(named, counted[0][1] if counted else ","), 0
