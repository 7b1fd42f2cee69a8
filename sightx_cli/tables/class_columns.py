"""One column for each class: which columns of a table hold the labels, and what each row says."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

TRUE = frozenset(("1", "1.0", "true", "yes", "x"))
FALSE = frozenset(("0", "0.0", "false", "no", ""))
"""Cells that say whether a row has the class, in lower case. Who ticks cells by hand leaves the others empty."""


@dataclass(frozen=True)
class ClassColumns:
    """The columns that stand for classes, in the order of the table, and the classes of each row."""

    names: tuple[str, ...]
    rows: tuple[frozenset[str], ...]

    @property
    def are_single(self) -> bool:
        """Whether every row has exactly one class: a single label for each image."""
        return all(len(row) == 1 for row in self.rows)

    def label_rows(self) -> list[str]:
        """Return the label of each row, where every row has one."""
        return [next(iter(row)) for row in self.rows]


def find_class_columns(table: pd.DataFrame, taken: Collection[str] = ()) -> ClassColumns | None:
    """Find the columns that stand for a class each; None if fewer than two do.

    They hold nothing but 0 and 1 (0.0 and 1.0, true and false, yes and no, x and nothing). `taken` are columns that
    are something else: the image, its part, its group. To be asked only where no column holds the label: beside one, a
    column such as `sex` is no class.
    """
    names = [name for name in table.columns if name not in taken and holds_answers(table[name])]
    return read_class_columns(table, names) if len(names) > 1 else None


def read_class_columns(table: pd.DataFrame, names: Collection[str]) -> ClassColumns:
    """Read columns that hold nothing but 0 and 1 as classes: of each row those that say yes."""
    rows: list[set[str]] = [set() for _ in range(len(table))]
    for name in names:
        for row, cell in zip(rows, table[name], strict=True):
            if _plain(cell) in TRUE:
                row.add(name)
    return ClassColumns(tuple(names), tuple(map(frozenset, rows)))


def holds_answers(cells: pd.Series[str]) -> bool:
    """Whether a column holds nothing but 0 and 1, in any of their forms."""
    values = {_plain(cell) for cell in cells.unique()}
    return values <= TRUE | FALSE and values != {""}


def _plain(cell: str) -> str:
    return cell.strip().lower()
