"""The table of a part's figures, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from sightx_cli.console.numbers import format_figure
from sightx_cli.metrics.registry import ACCURACY, METRICS

if TYPE_CHECKING:
    from sightx_cli.results.fit import PartFigures
    from sightx_cli.results.runs import KeptFigures


def build_figures(parts: Mapping[str, PartFigures | KeptFigures], chosen_by: str = ACCURACY.name) -> Table:
    """Build the table of key figures: a row for each, a column for each part; what chose the epoch first, and bold."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("")
    for name in parts:
        table.add_column(name, justify="right")
        table.add_column(head_interval(parts[name].intervals_by))
    for key, metric in sorted(METRICS.items(), key=lambda item: item[0] != chosen_by):
        if all(part.metrics.get(key) is None for part in parts.values()):
            continue
        cells = [f"  {metric.title}"]
        for part in parts.values():
            cells += [format_figure(part.metrics.get(key)), format_interval(part.intervals.get(key))]
        table.add_row(*cells, style="bold" if key == chosen_by else "")
    return table


def head_interval(units: str) -> str:
    """Return the head of a column of intervals, which says what is resampled."""
    return "95 % interval" + " by group" * (units == "groups")


def format_interval(interval: tuple[float, float] | None) -> str:
    """Format an interval: 0.893 – 0.967; "" where there is none."""
    return f"{interval[0]:.3f} – {interval[1]:.3f}" if interval else ""
