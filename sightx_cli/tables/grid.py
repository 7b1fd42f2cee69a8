"""A table as its file holds it: rows of text, whatever the format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sightx_cli.progress import Notice

HEADER_LINES = 20
"""The header is looked for in so many lines: above it a spreadsheet may have a title."""
LARGEST_WHOLE = 2**53
"""Every whole number up to this is itself as a float."""

IsHeader = Callable[[Sequence[str]], bool]
"""Whether the cells of a row are names of columns."""


@dataclass
class Grid:
    """A table as its file holds it: rows of text with their line numbers, the header first, and what to say of it."""

    rows: list[tuple[int, list[str]]]
    notices: list[Notice] = field(default_factory=list)
    divider: str = ","
    """What stands between cells; empty where there is no text."""


def find_header(grid: Grid, path: Path, is_header: IsHeader) -> Grid:
    """Pass over what stands above the header, such as a title, and say so: lines of fewer cells than it has.

    Rows without values before the first with one, and after the last, are dropped.
    """
    rows = grid.rows
    last = next((place for place in reversed(range(len(rows))) if count_filled(rows[place][1])), None)
    if last is None:
        return Grid([], grid.notices, grid.divider)
    filled = {place: count for place, (_, row) in enumerate(rows[:HEADER_LINES]) if (count := count_filled(row))}
    first = next(iter(filled), 0)
    header = next((place for place in filled if is_header(rows[place][1])), first)
    above = [place for place in filled if place < header]
    if above and max(filled[place] for place in above) < filled[header]:
        title = next(cell.strip() for cell in rows[first][1] if cell.strip())
        text = (
            f"passed over {len(above)} line{'s' * (len(above) > 1)} of {path.name} above its header in line "
            f"{rows[header][0]}: {title:.60}"
        )
        grid.notices.append(Notice("above-header", text, len(above)))
        first = header
    return Grid(rows[first : last + 1], grid.notices, grid.divider)


def count_filled(row: Sequence[str]) -> int:
    """Count the cells with a value."""
    return sum(1 for cell in row if cell.strip())
