"""The end of `export`: which files were written, and how far they lie from the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from sightx_cli.console.numbers import format_bytes, format_count, format_seconds
from sightx_cli.console.output import open_console, print_table, to_line

if TYPE_CHECKING:
    from sightx_cli.results.export import ExportResult


def show_export(result: ExportResult) -> None:
    """Show each export with its size and its parity, and where it lies."""
    console = open_console(stderr=False)
    took = format_seconds(result.seconds["total"])
    what = format_count(len(result.exports), "export")
    console.print(Text(f"\n{what} in {took}", "bold green").append(", each held against the model", "default"))
    rows = []
    for one in result.exports:
        for name, parity in (("views", one.parity), ("any size", one.any_size)):
            if parity is not None:
                numbers = (parity.images, f"{parity.largest_difference:.1e}", f"{parity.agreement:.1%}")
                rows.append((one.format, one.precision, name, *numbers, format_bytes(one.bytes)))
    columns = ("format", "precision", "takes", "images", "largest difference", "same label", "size")
    print_table("", columns, rows)
    for one in result.exports:
        console.print(Text("folder ", "dim").append(to_line(one.folder), "default"), soft_wrap=True)
