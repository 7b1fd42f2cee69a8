"""A finding about a data set: what was found, what to do, and the pictures that show it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """One image to show: its file, its name as given, its label, its part ("" where there is none), a remark."""

    path: str
    name: str
    label: str
    split: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Finding:
    """One kind of finding.

    `rows` are pictures that belong together (copies of one photograph, a single outlier); `shown` limits nothing here,
    the page and the sheets say how many more there are. `lines` are named where there is nothing to show.
    """

    kind: str
    title: str
    what: str
    advice: str
    rows: tuple[tuple[Picture, ...], ...] = ()
    lines: tuple[str, ...] = ()
    harmful: bool = True
    """Whether it makes figures wrong or stops a fit; else it is for a look."""

    @property
    def pictures(self) -> int:
        """How many images it is about."""
        return sum(map(len, self.rows))


def take_rows(finding: Finding, limit: int) -> list[tuple[Picture, ...]]:
    """Return the first rows, whole, of about `limit` pictures; of a single longer row its first."""
    taken: list[tuple[Picture, ...]] = []
    room = limit
    for row in finding.rows:
        if taken and len(row) > room:
            break
        taken.append(row[:room])
        room -= len(row)
        if room <= 0:
            break
    return taken
