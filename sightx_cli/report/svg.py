"""A drawing of matplotlib's as SVG that stands within a page: text stays text, colours follow the page's."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from sightx_cli.report.fonts import draw_names

INK, MUTED, LINE, ACCENT, SECOND, PAPER = "#1d2733", "#8a97a6", "#d9e0e7", "#1769aa", "#d1495b", "#fefffe"
SERIES = (ACCENT, SECOND, "#2e8b57", "#b8860b", "#7b4fa3", "#3a3f45")
"""Colours of lines side by side, told apart by the colour-blind too in this order; further lines are dashed."""
COLOURS = {INK: "ink", MUTED: "muted", LINE: "line", ACCENT: "accent", SECOND: "second", PAPER: "paper"}
COLOURS |= {"#2e8b57": "third", "#b8860b": "fourth", "#7b4fa3": "fifth", "#3a3f45": "sixth"}
"""The page's variable for each colour that drawings use."""
LINES_WITHIN = 3
"""Up to this many lines a legend stands within the axes."""
DASHES = ("-", "--", ":")
LEFT, RIGHT, BOTTOM, TOP = 0.68, 0.14, 0.56, 0.16
"""Inches around the axes, for their ticks and labels: matplotlib's own search for the room takes as long as drawing."""


@dataclass(frozen=True)
class Drawing:
    """An SVG to stand in a page, what it is called, and what it says to who cannot see it."""

    markup: str
    title: str
    alt: str
    is_broad: bool = False
    """Whether it has several panels, and needs the page's whole width."""


def new_axes(columns: int = 1, width: float = 4.6, height: float = 3.4) -> tuple[Any, list[Any]]:
    """Make a figure with axes side by side, without a frame above and to the right."""
    from matplotlib.figure import Figure  # not pyplot, whose backend and open figures are the caller's

    whole = width * columns
    figure = Figure(figsize=(whole, height))
    figure.subplots_adjust(
        left=LEFT / whole, right=1 - RIGHT / whole, bottom=BOTTOM / height, top=1 - TOP / height,
        wspace=(LEFT + RIGHT) / (width - LEFT - RIGHT),
    )  # fmt: skip
    figure.patch.set_alpha(0)
    axes = list(figure.subplots(1, columns, squeeze=False)[0])
    for one in axes:
        one.patch.set_alpha(0)
        one.spines[["top", "right"]].set_visible(False)
        one.spines[["left", "bottom"]].set_color(MUTED)
        one.tick_params(colors=INK, color=MUTED, labelsize=9)
        one.xaxis.label.set_color(INK)
        one.yaxis.label.set_color(INK)
    return figure, axes


def take_line(place: int) -> dict[str, Any]:
    """Return colour and dash of the line at a place."""
    return {"color": SERIES[place % len(SERIES)], "linestyle": DASHES[place // len(SERIES) % len(DASHES)]}


def name_lines(names: Sequence[str]) -> tuple[str, ...]:
    """Return names as a legend shows them: short, and none of them read as mathematics or hidden by an underscore."""
    shown = (f" {name}" if name.startswith("_") else name for name in draw_names(names, 28).names)
    return tuple(name.replace("$", r"\$") for name in shown)


def add_legend(axes: Any, lines: int = 1, **how: Any) -> None:
    """Add a legend in the page's ink; of many lines it stands below the axes, where it hides none of them."""
    if lines > LINES_WITHIN:
        axes.figure.set_layout_engine("constrained")  # finds room for the legend
        how = {"loc": "outside lower center", "ncols": 2}
    holder = axes.figure if lines > LINES_WITHIN else axes
    holder.legend(fontsize=8, labelcolor=INK, facecolor=PAPER, edgecolor="none", framealpha=0.85, **how)


def render_svg(figure: Any, name: str, title: str, alt: str, is_broad: bool = False) -> Drawing:
    """Render a figure; `name` makes its ids its own within the page."""
    import matplotlib as mpl

    stream = io.StringIO()
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": name}
    with mpl.rc_context(settings):
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id|xlink:href|clip-path)="(#|url\(#)?', rf"\g<0>{name}-", text)
    for colour, variable in COLOURS.items():
        text = text.replace(colour, f"var(--{variable})")
    text = re.sub(r"font: ([^;\"]*?)(\d[\d.]*)px [^;\"]*", r"font: \1\2px system-ui, sans-serif", text)
    head = f'<svg role="img" aria-label="{escape(title + ": " + alt)}" class="drawing"'
    size = re.search(r'viewBox="[^"]*"', text)
    text = re.sub(r"<svg[^>]*>", "", text, count=1)
    space = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    whole = f"{head} {size.group() if size else ''} {space}>{text}"
    return Drawing(re.sub(r"\n\s*", "\n", whole).strip(), title, alt, is_broad)
