"""The plan as the user sees it before work starts."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sightx_cli.console.output import to_line

ORIGIN_STYLES = {"option": "bold cyan", "data": "green", "probe": "bold green", "run": "magenta"}
"""What the user or the images decided is highlighted; recipe and default are dim."""

MORE = "every value, where it comes from, and all reasons: --explain"


def build_plan_view(
    title: str, words: Sequence[tuple[str, str]], rows: Sequence[tuple[str, str, str]], reasons: str
) -> RenderableType:
    """Build the plan's view: what will be done, in words; with `rows` every reason, and each value with its origin."""
    told = Table.grid(padding=(0, 2, 0, 0))
    told.add_column(no_wrap=True, style="dim")
    told.add_column(overflow="fold")
    for what, text in words:
        told.add_row(Text(f"  {to_line(what)}"), Text(to_line(text)))
    heading = Text("\n").append(to_line(title), "bold")
    if not rows:
        return Group(heading, told, Text(f"  {MORE}", "dim"))
    return Group(heading, told, Text(to_line(reasons)), Padding(_build_values(rows), (0, 0, 0, 2), expand=False))


def _build_values(rows: Sequence[tuple[str, str, str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("what", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", no_wrap=True)
    for what, value, origin in fold_rows(rows):
        style = ORIGIN_STYLES.get(origin, "dim")
        table.add_row(Text(to_line(what)), Text(to_line(value)), Text(to_line(origin), style))
    return table


def fold_rows(rows: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """Merge dotted keys into one row for each section and origin: ("image", "size_px 224, fit pad", "recipe").

    Sections keep their order. In each, values changed by an option or the images follow those of the recipe.
    """
    folded: dict[str, dict[str, list[str]]] = {}
    for what, value, origin in rows:
        section, dot, name = what.partition(".")
        if section == "stage" and "." in name:
            place, _, name = name.partition(".")
            section = f"stage {place}"
        folded.setdefault(section, {}).setdefault(origin, []).append(f"{name} {value}" if dot else value)
    return [
        (section, ", ".join(values), origin)
        for section, origins in folded.items()
        for origin, values in sorted(origins.items(), key=lambda item: item[0] in ORIGIN_STYLES)
    ]
