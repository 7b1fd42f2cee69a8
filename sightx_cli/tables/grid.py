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
    filled = [sum(bool(cell.strip()) for cell in row) for _, row in grid.rows]
    valued = [place for place, count in enumerate(filled) if count]
    if not valued:
        return Grid([], grid.notices, grid.divider)
    first, last = valued[0], valued[-1]
    header = next((place for place in valued[:HEADER_LINES] if is_header(grid.rows[place][1])), first)
    above = [place for place in valued if place < header]
    if above and max(filled[place] for place in above) < filled[header]:
        title = next(cell.strip() for cell in grid.rows[first][1] if cell.strip())
        text = (
            f"passed over {len(above)} line{'s' * (len(above) > 1)} of {path.name} above its header in line "
            f"{grid.rows[header][0]}: {title:.60}"
        )
        grid.notices.append(Notice("above-header", text, len(above)))
        first = header
    return Grid(grid.rows[first : last + 1], grid.notices, grid.divider)
