"""Whether more images would help: the sentence, a small curve, its points with their band."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from sightx_cli.console.curve import LEAST_COLUMNS, SCALE_COLUMNS, draw_points
from sightx_cli.console.output import print_table, print_words, to_line
from sightx_cli.metrics.registry import METRICS, find_title

if TYPE_CHECKING:
    from sightx_cli.results.learning_curve import LearningCurve

CURVE_COLUMNS, CURVE_LINES = 60, 6


def print_learning_curve(console: Console, curve: LearningCurve) -> None:
    """Print a learning curve; where there are too few images for one, only that."""
    console.print(Text("\nwould more images help?", "bold"))
    if curve.points:
        _print_points(console, curve)
    print_words(console, Text(f"  {to_line(curve.sentence)}"))
    if curve.picture is not None:
        console.print(Text("plot  ", "dim").append(to_line(curve.picture)), soft_wrap=True)


def _print_points(console: Console, curve: LearningCurve) -> None:
    """Print the curve with its scale of images, and a table of its points.

    Its height is that of the band: closer, chance would look like a cliff.
    """
    width = min(console.width, CURVE_COLUMNS)
    points = [(float(point.images), point.mean) for point in curve.points]
    low, high = min(point.low for point in curve.points), max(point.high for point in curve.points)
    encodes_braille = "utf" in (sys.stdout.encoding or "").lower()
    if width >= LEAST_COLUMNS:
        for line in draw_points(points, low, high, width, CURVE_LINES, not encodes_braille):
            console.print(Text(line, "cyan"), soft_wrap=True)
        first, last = f"{curve.points[0].images:,}", f"{curve.points[-1].images:,}"
        inner = width - SCALE_COLUMNS - len(first) - len(last)
        console.print(Text(" " * SCALE_COLUMNS + first + f"{'images':^{max(inner, 8)}}" + last), soft_wrap=True)
    falls = " (lower is better)" if METRICS[curve.metric].lower_is_better else ""
    rows = [
        (f"{point.share:.0%}", f"{point.images:,}", f"{point.mean:.3f}", f"{point.low:.3f} – {point.high:.3f}")
        for point in curve.points
    ]
    columns = ("of the images", "to learn from", f"{find_title(curve.metric)}{falls}", "95 % band")
    print_table("a linear head on part of the images, judged on others", columns, rows)
