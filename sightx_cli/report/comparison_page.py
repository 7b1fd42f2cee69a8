"""The page of a comparison: models side by side, and how each differs from the first."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli import runs
from sightx_cli.errors import UsageError, quote
from sightx_cli.metrics.registry import METRICS
from sightx_cli.report.templates import render_template
from sightx_cli.results.compare import CORRECTED, SAME, format_p

if TYPE_CHECKING:
    from markupsafe import Markup

    from sightx_cli.metrics.intervals import Interval
    from sightx_cli.metrics.paired import PairedDifference
    from sightx_cli.results.compare import CompareResult

COMPARISONS = Path("comparisons")
BAR_PX, MIDDLE_PX, REACH_PX = 230, 115, 75
"""A drawn difference: the whole, the place of its line at 0, and how far from that either end of its scale is."""
ROUND = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Where scales end, times a power of ten: numbers that are read at a glance."""
BOUNDED = "bounded"
"""The scale that figures with a least and a highest value share: shares of images, and scores like them."""


def choose_page(out: Path | None, overwrite: bool) -> Path:
    """Return where the page will lie: the .html file named, or a new one; refuses one that exists already."""
    if out is None:
        return runs.find_free((COMPARISONS / f"{datetime.now():%Y%m%d-%H%M%S}.html").absolute())
    if out.is_dir() or out.suffix.lower() != ".html":
        named = out / "comparison.html" if out.is_dir() else out.with_suffix(".html")
        raise UsageError(f"--out {out}: the page is one .html file", f"--out {quote(named)}")
    if out.exists() and not overwrite:
        raise UsageError(f"--out {out}: exists already", "name another file, or add --overwrite")
    return out.absolute()


def write_comparison(result: CompareResult, said: Sequence[str], path: Path) -> None:
    """Write the page of a comparison, whole or not at all; `said` has a sentence for each model after the first."""
    shown = [name for name in METRICS if any(model.metrics.get(name) is not None for model in result.models)]
    scales = measure_scales(result)

    def draw_bar(name: str, one: PairedDifference) -> Markup:
        return draw_difference(one.difference, one.interval, scales[name_scale(name)])

    text = render_template(
        "comparison.html",
        result=result,
        said=said,
        titles={name: METRICS[name].title for name in shown},
        figure=format_value,
        signed=lambda value: f"{value:+.4f}",
        span=format_span,
        bar=draw_bar,
        same=SAME,
        chance=format_p,
        corrected=CORRECTED,
    )
    runs.write_file(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def name_scale(metric: str) -> str:
    """Name the scale that a metric's differences are drawn on: one for all that are bounded, else one of its own."""
    least, highest = METRICS[metric].limits
    is_bounded = math.isfinite(least) and math.isfinite(min(highest, METRICS[metric].highest))
    return BOUNDED if is_bounded else metric


def measure_scales(result: CompareResult) -> Mapping[str, float]:
    """Measure how far from 0 each scale goes: the same for all models, so that their differences can be compared."""
    furthest: dict[str, float] = defaultdict(float)
    for model in result.models:
        if model.against_first is not None:
            for name, one in model.against_first.differences.items():
                scale = name_scale(name)
                furthest[scale] = max(furthest[scale], *map(abs, one.interval))
    return {scale: round_up(reach) for scale, reach in furthest.items()}


def round_up(reach: float) -> float:
    """Round up to where a scale may end; 1 where all differences are 0."""
    if reach <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(reach))
    return next((float(f"{step * power:.2g}") for step in ROUND if step * power >= reach), 10 * power)


def format_value(value: float | None) -> str:
    """Format a figure with four decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.4f}"


def format_span(interval: Interval | None) -> str:
    """Format an interval; "" where there is none."""
    return "" if interval is None else f"{interval[0]:.3f} – {interval[1]:.3f}"


def draw_difference(value: float, interval: Interval, reach: float) -> Markup:
    """Draw a difference as a dot with its interval on a scale, which is named at its ends, `reach` from the line at 0.

    The ends are named in each row: figures of different units have scales of their own.
    """
    from markupsafe import Markup

    def place(one: float) -> float:
        return round(MIDDLE_PX + one / reach * REACH_PX, 1)

    low, high = map(place, interval)
    left, right = MIDDLE_PX - REACH_PX, MIDDLE_PX + REACH_PX
    return Markup(
        '<svg width="{width}" height="18" role="img" aria-label="{value} ({spanned}) on a scale from -{end} to {end}">'
        '<path d="M{left} 9H{right}M{left} 6v6M{right} 6v6" fill="none" stroke="currentColor" stroke-opacity=".25"/>'
        '<line x1="{middle}" x2="{middle}" y1="0" y2="18" stroke="currentColor" stroke-opacity=".6"/>'
        '<line x1="{low}" x2="{high}" y1="9" y2="9" stroke="var(--accent)" stroke-width="3"/>'
        '<circle cx="{at}" cy="9" r="4" fill="currentColor"/>'
        '<text class="end" x="{before}" y="13" text-anchor="end">-{end}</text>'
        '<text class="end" x="{after}" y="13">+{end}</text></svg>'
    ).format(
        width=BAR_PX,
        value=f"{value:+.4f}",
        spanned=format_span(interval),
        end=f"{reach:g}",
        left=left,
        right=right,
        middle=MIDDLE_PX,
        low=low,
        high=high,
        at=place(value),
        before=left - 5,
        after=right + 5,
    )
