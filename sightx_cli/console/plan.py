"""The plan as the user sees it before work starts."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sightx_cli.console.output import to_line

ORIGIN_STYLES = {"option": "bold cyan", "data": "green", "probe": "bold green"}
"""What the user or the images decided is highlighted; recipe and default are dim."""

SENTENCES = 2
"""Sentences of the reason that are shown, the numbers of images and why this recipe; the rest is shown on request."""


def build_plan_view(title: str, rows: Sequence[tuple[str, str, str]], reasons: str, explain: bool) -> RenderableType:
    """Build the plan's view: the first reasons, or all with `explain`, then values and their origins."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("what", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("from", no_wrap=True)
    for what, value, origin in fold_rows(rows):
        style = ORIGIN_STYLES.get(origin, "dim")
        table.add_row(Text(to_line(what)), Text(to_line(value)), Text(to_line(origin), style))
    heading = Text(to_line(title), "bold")
    sentences = reasons.removesuffix(".").split(". ")
    why = ". ".join(sentences if explain else sentences[:SENTENCES]) + "."
    if len(sentences) > SENTENCES and not explain:
        why += " (more: --explain)"
    return Group(heading, Text(to_line(why)), Padding(table, (0, 0, 0, 2), expand=False))


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
