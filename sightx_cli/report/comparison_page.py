"""The page of a comparison: models side by side, and how each differs from the first."""

from __future__ import annotations

from collections.abc import Sequence
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
BAR_PX, HALF_PX = 160, 80


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
    reach = max((max(map(abs, one.interval)) for one in _list_differences(result)), default=1.0)

    def draw_bar(one: PairedDifference) -> Markup:
        return draw_difference(one.difference, one.interval, reach)

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


def _list_differences(result: CompareResult) -> list[PairedDifference]:
    pairs = [model.against_first for model in result.models if model.against_first is not None]
    return [one for pair in pairs for one in pair.differences.values()]


def format_value(value: float | None) -> str:
    """Format a figure with four decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.4f}"


def format_span(interval: Interval | None) -> str:
    """Format an interval; "" where there is none."""
    return "" if interval is None else f"{interval[0]:.3f} – {interval[1]:.3f}"


def draw_difference(value: float, interval: Interval, reach: float) -> Markup:
    """Draw a difference as a dot with its interval, about a line at 0 in the middle; `reach` is at the edge."""
    from markupsafe import Markup

    def place(one: float) -> float:
        return round(HALF_PX + one / max(reach, 1e-9) * (HALF_PX - 6), 1)

    low, high = map(place, interval)
    return Markup(
        '<svg width="{width}" height="16" role="img" aria-label="the difference and its interval about 0">'
        '<line x1="{half}" x2="{half}" y1="0" y2="16" stroke="currentColor" stroke-opacity=".3"/>'
        '<line x1="{low}" x2="{high}" y1="8" y2="8" stroke="currentColor" stroke-width="2" stroke-opacity=".6"/>'
        '<circle cx="{middle}" cy="8" r="4" fill="currentColor"/></svg>'
    ).format(width=BAR_PX, half=HALF_PX, low=low, high=high, middle=place(value))
