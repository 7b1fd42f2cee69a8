"""The end of an inspection: the data set in a few rows, the findings in plain words, and where the page is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sightx_cli.console.numbers import format_count, format_seconds
from sightx_cli.console.output import open_console, print_words, to_line

if TYPE_CHECKING:
    from rich.console import Console

    from sightx_cli.results.findings import Finding
    from sightx_cli.results.inspect import InspectResult

FILES_SHOWN, LINES_SHOWN, CLASSES_SHOWN = 3, 3, 12


def show_inspection(result: InspectResult) -> None:
    """Show what was found."""
    console = open_console(stderr=False)
    console.print()
    console.print(
        Text(f"looked at {format_count(result.images, 'image')}", "bold green").append(
            f"   in {format_seconds(result.seconds['total'])}", "default"
        )
    )
    if result.facts:
        console.print(_build_facts(result))
    for finding in result.findings:
        _show_finding(console, finding)
    if result.facts and not result.findings and not any(notice.warns for notice in result.notices):
        console.print(Text("no problems found: no duplicates, leaks, doubtful labels, outliers or unreadable files"))
    console.print(Text(f"recipe  {result.advice.recipe}", "bold"))
    _print_indented(console, result.advice.reason)
    console.print()
    if result.fix:
        left = f"   {format_count(result.left_out, 'image')} to leave out"
        console.print(Text("list  ", "dim").append(to_line(result.fix), "default").append(left, "dim"), soft_wrap=True)
    if result.folder:
        console.print(Text("page  ", "dim").append(to_line(result.folder / "index.html"), "default"), soft_wrap=True)


def _build_facts(result: InspectResult) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    counts = [f"{label} {count:,}" for label, count in result.class_counts.items()]
    more = [f"and {len(counts) - CLASSES_SHOWN} more"] if len(counts) > CLASSES_SHOWN else []
    for what, value in result.facts:
        if what == "images":
            continue
        if what == "classes":
            value = f"{value}: {', '.join(counts[:CLASSES_SHOWN] + more)}"
        table.add_row(Text(f"  {what}", "dim"), Text(to_line(value)))
    return table


def _show_finding(console: Console, finding: Finding) -> None:
    """Show one finding: its title, the first files, and what to do."""
    colour = "red" if finding.harmful else "cyan"
    print_words(console, Text("\n● ", colour).append(to_line(finding.title), "bold"))
    for row in finding.rows[:LINES_SHOWN] if not finding.lines else ():
        names = [f"{picture.name} ({picture.label})" for picture in row[:FILES_SHOWN]]
        more = f" and {len(row) - FILES_SHOWN} more" if len(row) > FILES_SHOWN else ""
        remark = f": {row[0].remark}" if row[0].remark else ""
        print_words(console, Text(f"  {to_line(' = '.join(names))}{more}{to_line(remark)}", "dim"))
    for line in finding.lines[:LINES_SHOWN]:
        print_words(console, Text(f"  {to_line(line)}", "dim"))
    shown = len(finding.lines) or len(finding.rows)
    if shown > LINES_SHOWN:
        console.print(Text(f"  … {shown - LINES_SHOWN:,} more on the page", "dim"))
    _print_indented(console, finding.what)
    _print_indented(console, f"→ {finding.advice}")


def _print_indented(console: Console, text: str) -> None:
    """Print an indented paragraph: wrapped at a terminal, as one line elsewhere."""
    if console.is_terminal:
        console.print(Padding(Text(to_line(text)), (0, 0, 0, 2)))
    else:
        console.print(Text(f"  {to_line(text)}"), soft_wrap=True)
