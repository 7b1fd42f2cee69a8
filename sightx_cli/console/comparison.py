"""Backbones side by side, as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from sightx_cli.console.numbers import format_bytes, format_large
from sightx_cli.console.output import open_console, to_line

if TYPE_CHECKING:
    from sightx_cli.results.audit import BackboneComparison

LABEL_COLUMNS, VALUE_COLUMNS = 15, 13
"""Columns needed for the labels, and the minimum for each backbone: parameters in the hundreds of millions."""

Row = tuple[str, list[Text]]
"""What is compared, and its value for each backbone."""

AT_HAND = {
    "file": ("your file", "green"),
    "packaged": ("installed", "green"),
    "folder": ("in the folder of weights", "green"),
    "cached": ("in the cache", "green"),
    "network": ("to download", "yellow"),
    "none": ("none: from scratch", "dim"),
}
"""Where a network's pretrained weights come from, and its colour."""


def show_comparison(result: BackboneComparison) -> None:
    """Show backbones side by side, as many as fit the terminal's width."""
    console = open_console(stderr=False)
    console.print()
    console.print(
        Text(f"{len(result.backbones)} backbones", "bold green").append(
            f", each with a linear head for {result.classes:,} classes"
            + (" (ImageNet's, as in published figures)" if result.is_original else ""),
            "default",
        ),
        soft_wrap=True,
    )
    rows, fitting = _list_rows(result), max(1, (console.width - LABEL_COLUMNS) // VALUE_COLUMNS)
    for start in range(0, len(result.backbones), fitting):
        console.print(_build_table(result, rows, start, start + fitting))
    console.print(Text("cached: bytes in the cache for one view of an image, by what trains", "dim"), soft_wrap=True)


def _build_table(result: BackboneComparison, rows: Sequence[Row], start: int, stop: int) -> Table:
    """Build the table of some of the backbones."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("", style="dim", no_wrap=True)
    for one in result.backbones[start:stop]:
        table.add_column(to_line(one.name), justify="right", overflow="fold")
    for label, cells in rows:
        table.add_row(label, *cells[start:stop])
    return table


def _list_rows(result: BackboneComparison) -> list[Row]:
    """List the rows: what, and its value for each backbone, the smallest in green."""
    backbones = result.backbones
    rows = [("image", [Text(f"{one.size_px} px") for one in backbones])]
    for label, values, write in (
        ("parameters", [one.parameters for one in backbones], lambda value: f"{value:,}"),
        ("multiply-adds", [one.macs for one in backbones], format_large),
        ("activations", [one.activation_bytes for one in backbones], format_bytes),
    ):
        least = min(values)
        style = "bold green" if len(backbones) > 1 else ""
        rows.append((label, [Text(write(value), style if value == least else "") for value in values]))
    rows.append(("features", [Text(f"{one.features:,}") for one in backbones]))
    rows.append(("stages", [Text(str(len(one.stages))) for one in backbones]))
    for train in dict.fromkeys(train for one in backbones for train in one.store):
        kept = [one.store.get(train) for one in backbones]
        rows.append((f"cached, {train}", [Text(format_bytes(b) if b else "–") for b in kept]))
    rows.append(("weights", [Text(*AT_HAND[one.weights]) for one in backbones]))
    return rows
