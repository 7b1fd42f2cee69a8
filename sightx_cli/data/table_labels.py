"""The labels of a table's rows: from a column, from one column for each class, or from the names of the files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.class_columns import ClassColumns, find_class_columns, holds_answers, read_class_columns
from sightx_cli.data.columns import FoundColumn, build_label_refusal, choose_label_column, find_given
from sightx_cli.data.layout import Layout
from sightx_cli.data.name_labels import read_name_labels
from sightx_cli.data.tables import list_names
from sightx_cli.errors import DataError
from sightx_cli.progress import Notice

if TYPE_CHECKING:
    import pandas as pd

FAILED_FORMULAS = frozenset(("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"))
"""What a spreadsheet shows in place of a value: no label, but the lack of one."""


@dataclass(frozen=True)
class TableLabels:
    """The label of each row, as it stands there; "" where there is none."""

    labels: list[str]
    column: FoundColumn | None = None
    """The column they are from, if it is one."""
    notices: list[Notice] = field(default_factory=list)


def read_labels(
    table: pd.DataFrame, path: Path, layout: Layout, taken: Collection[str], files: Sequence[str]
) -> TableLabels:
    """Read the labels as the user says, else from the column whose name says so, else from one column for each class.

    `taken` are the columns with the image, its part and its group; `files` the paths of the images.

    Raises: `DataError` where no column has them, where several may, or for rows that have none.
    """
    if layout.label_by is not None:
        return TableLabels(read_name_labels(files, layout.label_by))
    given = layout.label_column
    if given is not None and "," in given and given not in table.columns:
        names = [find_given(table, path, name.strip(), "--label-column") for name in given.split(",") if name.strip()]
        wrong = next((name for name in names if not holds_answers(table[name])), None)
        if wrong is not None:
            value = next(value for value in table[wrong] if not holds_answers(table.loc[table[wrong] == value, wrong]))
            raise DataError(
                f"--label-column {given}: {wrong} holds {value!r}; several columns are one for each class, of 0 and 1",
                f"name the one column with the labels: --label-column {wrong}",
            )
        return _use_classes(read_class_columns(table, names), table, path, taken)
    found = (
        choose_label_column(table, path, taken)
        if given is None
        else FoundColumn(find_given(table, path, given, "--label-column"))
    )
    if found is not None:
        cells = table[found.name].tolist()
        return TableLabels(["" if cell.strip() in FAILED_FORMULAS else cell for cell in cells], found)
    _refuse_predictions(table, path)
    classes = find_class_columns(table, taken)
    if classes is None:
        raise build_label_refusal(table, path, taken)
    return _use_classes(classes, table, path, taken)


def _use_classes(classes: ClassColumns, table: pd.DataFrame, path: Path, taken: Collection[str]) -> TableLabels:
    if not classes.are_single:
        sizes = [len(row) for row in classes.rows]
        raise DataError(
            f"{path}: {list_names(classes.names)} are read as one column for each class, and {sizes.count(0):,} rows "
            f"have none of them, {sum(size > 1 for size in sizes):,} several",
            "set exactly one of them to 1 in each row, or name the column with the labels: --label-column NAME",
        )
    others = [name for name in table.columns if name not in taken and name not in classes.names]
    text = (
        f"{path.name}: {len(classes.names)} columns of 0 and 1 are read as one for each class: "
        f"{list_names(classes.names)}"
        + (f"; no classes are {list_names(others)}" if others else "")
        + "; to name others: --label-column A,B,C"
    )
    return TableLabels(classes.label_rows(), None, [Notice("class-columns", text, len(classes.names))])


def _refuse_predictions(table: pd.DataFrame, path: Path) -> None:
    if "prediction" in table.columns:
        raise DataError(
            f"{path} has a column prediction and no label: a model's predictions are not the truth, and training on "
            "them repeats its mistakes",
            "check the predictions, correct what is wrong, and rename the column prediction to label",
        )
