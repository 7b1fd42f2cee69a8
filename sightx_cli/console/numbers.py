"""Numbers formatted for people."""

from __future__ import annotations

import math


def format_seconds(seconds: float) -> str:
    """Format a duration: 0.84 s, 12.3 s, 4 min 05 s, 2 h 03 min."""
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def format_bytes(bytes_on_disk: float) -> str:
    """Format a size in decimal units, as file managers do: 512 B, 3.4 MB, 1.2 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if bytes_on_disk < 1000:
            return f"{bytes_on_disk:.0f} B" if unit == "B" else f"{bytes_on_disk:.1f} {unit}"
        bytes_on_disk /= 1000
    return f"{bytes_on_disk:.1f} TB"


def format_rate(rate: float) -> str:
    """Format a learning rate with two significant digits: 2.0e-03."""
    return f"{rate:.1e}"


def format_figure(value: object) -> str:
    """Format a figure of merit with four decimals, a count as it is, and a missing value as a dash."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def format_count(count: int, one: str, many: str = "") -> str:
    """Format a count with its noun: 1 image, 2,624 images, 3 batches."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def format_large(count: float) -> str:
    """Format a large number with three significant digits: 4.09 G, 301 M, 5.12 k, 64."""
    if count < 1000:
        return f"{count:.0f}"
    for unit in ("k", "M", "G"):
        count /= 1000
        if count < 999.5 or unit == "G":
            break
    digits = 2 if count < 9.995 else 1 if count < 99.95 else 0
    return f"{count:,.{digits}f} {unit}"


def format_shape(shape: tuple[int, ...]) -> str:
    """Format the shape of a feature map, or a number of features: 2048×7×7, 2,048."""
    return f"{shape[0]:,}" if len(shape) == 1 else "×".join(map(str, shape))


def format_short_rate(rate: float) -> str:
    """Format a learning rate as people type it: 1e-3, 2.25e-4."""
    mantissa, _, exponent = f"{rate:.2e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
