"""Numbers of a report as text: rounded, so that each can be found again in metrics.json."""

from __future__ import annotations

from collections.abc import Sequence


def format_number(value: float | None) -> str:
    """Format a figure of merit with three decimals, a count as it is with separators, a missing one as a dash."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}".replace("-0.000", "0.000")


def format_range(interval: Sequence[float] | None) -> str:
    """Format an interval: 0.892 to 0.969; a dash where there is none."""
    return "–" if interval is None else f"{format_number(float(interval[0]))} to {format_number(float(interval[1]))}"


def show_name(name: object) -> str:
    """Return a name without what cannot be printed or turns the text around it: each such character as a dot."""
    text = str(name)
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "·" for letter in text)
