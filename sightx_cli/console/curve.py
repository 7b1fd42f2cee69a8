"""A small curve in the terminal, in braille: two dots across and four down per character."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

BRAILLE = 0x2800
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bit of each dot of a braille character, by row and column (Unicode 2800–28FF)."""
SCALE_COLUMNS, LEAST_COLUMNS = 9, 24
"""What the scale takes of the width, and the least width that a curve can be drawn in."""
CEILING_SHARE, LEAST_CEILING = 0.25, 0.5
"""How far the curve may rise above its start, as a share of its fall, and of its start where it hardly falls: a
diverging loss would flatten the rest."""


def draw_curve(
    rates: Sequence[float],
    losses: Sequence[float],
    marks: Mapping[str, float],
    width: int,
    height: int,
    ascii_only: bool,
) -> list[str]:
    """Draw losses over rates (logarithmic) as lines of text, with the marks named underneath.

    Args:
        rates: positive and rising.
        losses: one for each rate; values that are not finite are skipped.
        marks: name → rate, as suggested by the finder.
        width: total width in characters, including the loss scale.
        height: height of the curve itself in lines.
        ascii_only: draw with `*`, for a terminal without braille.
    """
    points = [(math.log10(x), y) for x, y in zip(rates, losses, strict=True) if x > 0 and math.isfinite(y)]
    if len(points) < 2 or width < LEAST_COLUMNS:
        return []
    low = min(y for _, y in points)
    high = min(max(y for _, y in points), measure_ceiling(points[0][1], low))
    left, right = points[0][0], points[-1][0]
    columns = width - SCALE_COLUMNS
    places = {
        name: _to_place(math.log10(rate), left, right, columns * (1 if ascii_only else 2)) // (1 if ascii_only else 2)
        for name, rate in marks.items()
        if rate > 0
    }
    lines = draw_points(points, low, high, width, height, ascii_only)
    return [*lines, *_draw_marks(places, columns, 10**left, 10**right)]


def draw_points(
    points: Sequence[tuple[float, float]], low: float, high: float, width: int, height: int, ascii_only: bool
) -> list[str]:
    """Draw points by rising x, joined by lines, from `low` to `high`, with these two as its scale.

    `width` is that of all, the scale included, `height` that of the curve in lines; what exceeds `high` is cut.
    """
    left, right = points[0][0], points[-1][0]
    columns = width - SCALE_COLUMNS
    across, down = (1, 1) if ascii_only else (2, 4)

    def to_row(value: float) -> int:
        return round((high - min(value, high)) / max(high - low, 1e-9) * (height * down - 1))

    rows = [[0] * columns for _ in range(height)]
    dots = [(_to_place(x, left, right, columns * across), to_row(y)) for x, y in points]
    for column, row in _join_dots(dots):
        rows[row // down][column // across] |= 1 if ascii_only else DOTS[row % 4][column % 2]
    drawn = ["".join(_to_character(cell, ascii_only) for cell in row).rstrip() for row in rows]
    labels = {0: f"{high:.3g}", height - 1: f"{low:.3g}"}
    return [f"{labels.get(place, ''):>7}  {line}".rstrip() for place, line in enumerate(drawn)]


def _to_place(x: float, left: float, right: float, places: int) -> int:
    return round((x - left) / max(right - left, 1e-9) * (places - 1))


def measure_ceiling(start: float, low: float) -> float:
    """Return the highest loss to draw, from the curve's first and lowest."""
    fall, least = start - low, LEAST_CEILING * abs(start)
    return start + (CEILING_SHARE * fall if fall > CEILING_SHARE * least else least) + 1e-9


def _join_dots(dots: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Yield every dot on the way from each to the next, so that the curve has no gaps."""
    yield dots[0]
    for (x0, y0), (x1, y1) in pairwise(dots):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for step in range(1, steps + 1):
            yield x0 + round((x1 - x0) * step / steps), y0 + round((y1 - y0) * step / steps)


def _to_character(cell: int, ascii_only: bool) -> str:
    if not cell:
        return " "
    return "*" if ascii_only else chr(BRAILLE + cell)


def _draw_marks(places: Mapping[str, int], columns: int, first: float, last: float) -> list[str]:
    """Draw an arrow and a name under each mark (on separate lines if names would collide), then the scale."""
    lines: list[list[str]] = []
    for name, column in sorted(places.items(), key=lambda item: item[1]):
        column = min(max(column, 0), columns - 1)
        text = f"^ {name}" if column + len(name) + 2 <= columns else f"{name} ^"
        begin = column if text.startswith("^") else column + 1 - len(text)
        free = (line for line in lines if all(cell == " " for cell in line[max(begin - 1, 0) : begin + len(text) + 1]))
        line = next(free, None)
        if line is None:
            line = [" "] * columns
            lines.append(line)
        line[max(begin, 0) : begin + len(text)] = list(text)
    scale = f"{first:.0e}{'rate':^{max(columns - 10, 4)}}{last:.0e}"
    margin = " " * SCALE_COLUMNS
    return [margin + "".join(line).rstrip() for line in lines] + [margin + scale]
