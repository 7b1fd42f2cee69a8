"""The two output streams: stdout carries results, stderr carries messages."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from sightx_cli.errors import FAULTS_SHOWN
from sightx_cli.results.json_form import to_plain

UNBOUNDED_COLUMNS = 10_000
"""Width of a stream that is not a terminal: a log or a pipe gets whole lines, and its reader may wrap them."""


LONGEST_MESSAGE = 2_000
"""Characters of an error that are printed: a name or value found may be as long as a file."""


def open_console(stderr: bool) -> Console:
    """Build a console on one of the streams that prints text literally (a path may contain brackets)."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else UNBOUNDED_COLUMNS
    return Console(stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


def to_line(text: object) -> str:
    """Return text as one line that is safe to print: control characters and undecodable bytes as escapes."""
    return "".join(
        c if c.isprintable() else " " if c in "\r\n\t" else c.encode("unicode_escape").decode() for c in str(text)
    )


def _shorten(line: str) -> str:
    return line if len(line) <= LONGEST_MESSAGE else f"{line[:LONGEST_MESSAGE]}…"


def print_words(console: Console, line: Text) -> None:
    """Print a sentence: a terminal breaks it between words, where it would break within one; one line elsewhere."""
    console.print(line, soft_wrap=not console.is_terminal)


def print_json(obj: Any) -> None:
    """Print one JSON object, and nothing else, on stdout: indented at a terminal, one line for a program."""
    plain, indent = to_plain(obj), 2 if sys.stdout.isatty() else None
    text = json.dumps(plain, ensure_ascii=False, indent=indent, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # a terminal with another encoding, or a file name that is not text
        text = json.dumps(plain, indent=indent, allow_nan=False)
    print_text(text)


def print_text(text: str) -> None:
    """Print text unchanged on stdout and flush, so that a full disk is noticed here and not at exit."""
    print(text, flush=True)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout; columns of numbers and blanks are right-aligned."""
    from rich import box
    from rich.table import Table

    table = Table(title=Text(title, "bold") if title else None, title_justify="left", box=box.SIMPLE_HEAD)
    table.pad_edge, table.header_style = False, "bold"
    for place, column in enumerate(columns):
        numeric = all(isinstance(row[place], int | float) or row[place] in ("", "–") for row in rows)
        table.add_column(column, justify="right" if rows and numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(to_line(cell)) for cell in row))
    open_console(stderr=False).print(table)


def print_next(command: str, why: str = "") -> None:
    """Suggest the next command on stderr."""
    line = Text("next  ", "dim").append(to_line(command), "bold cyan")
    open_console(stderr=True).print(line.append(f"   {why}" if why else "", "dim"), soft_wrap=True)


def print_error(message: str, hint: str = "", faults: Sequence[str] = ()) -> None:
    """Print an error on stderr: the message, a line for each of the first faults, and a hint on what to type next."""
    console = open_console(stderr=True)
    print_words(console, Text("error: ", "bold red").append(_shorten(to_line(message)), "default"))
    for fault in faults[:FAULTS_SHOWN]:
        print_words(console, Text("  " + _shorten(to_line(fault))))
    if len(faults) > FAULTS_SHOWN:
        console.print(Text(f"  and {len(faults) - FAULTS_SHOWN:,} more"), soft_wrap=True)
    if hint:
        console.print(Text("hint:  ", "bold cyan").append(to_line(hint), "default"), soft_wrap=True)
