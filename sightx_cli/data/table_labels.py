"""The labels of a table's rows: from a column, from one column for each class, or from the names of the files."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.label_sets import join_class_columns, read_label_sets
from sightx_cli.data.layout import Layout
from sightx_cli.data.name_labels import read_name_labels
from sightx_cli.data.text_columns import list_texts
from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice
from sightx_cli.tables.class_columns import ClassColumns, find_class_columns, holds_answers, read_class_columns
from sightx_cli.tables.column_names import list_names
from sightx_cli.tables.columns import FoundColumn, build_label_refusal, choose_label_column, find_given

if TYPE_CHECKING:
    import pandas as pd

PREDICTED = ("prediction", "predictions")
"""The columns of predictions, of one label for each image and of several."""

FAILED_FORMULAS = frozenset(("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"))
"""What a spreadsheet shows in place of a value: no label, but the lack of one."""


@dataclass(frozen=True)
class TableLabels:
    """The label of each row, "" where there is none, each in one spelling."""

    cells: Sequence[str]
    separator: str = ""
    """What joins several labels of one image (see `Manifest`); "" where each has one."""
    column: FoundColumn | None = None
    """The column they are from, if it is one."""
    notices: tuple[Notice, ...] = ()


def read_labels(
    table: pd.DataFrame, path: Path, layout: Layout, taken: Collection[str], files: Sequence[str]
) -> TableLabels:
    """Read the labels as the user says, else from the column whose name says so, else from one column for each class.

    `taken` are the columns with the image, its part and its group; `files` the paths of the images.

    Raises: `DataError` where no column has them, where several may, or for what is no label.
    """
    if layout.label_by is not None:
        return _settle(read_name_labels(files, layout.label_by), layout, "labels in the file names", None)
    given = layout.label_column
    if given is not None and "," in given and given not in table.columns:
        return _use_classes(_read_given_classes(table, path, given), table, path, layout, taken)
    column = (
        choose_label_column(table, path, taken)
        if given is None
        else FoundColumn(find_given(table, path, given, "--label-column"))
    )
    if column is not None:
        cells = list_texts(table[column.name])
        _refuse_failed_formulas(cells, path)
        return _settle(cells, layout, column.name, column)
    _refuse_predictions(table, path)
    classes = find_class_columns(table, taken)
    if classes is None:
        raise build_label_refusal(table, path, taken)
    return _use_classes(classes, table, path, layout, taken)


def _settle(cells: Sequence[str], layout: Layout, what: str, column: FoundColumn | None) -> TableLabels:
    """Bring cells into one spelling, as sets of labels where they are."""
    found = read_label_sets(cells, layout.multi_label, what, layout.multi_label_by)
    return TableLabels(found.cells, found.separator, column, found.notices)


def _read_given_classes(table: pd.DataFrame, path: Path, given: str) -> ClassColumns:
    """Read the columns that the user named as one for each class."""
    names = [find_given(table, path, name.strip(), "--label-column") for name in given.split(",") if name.strip()]
    for name in names:
        if not holds_answers(table[name]):
            value = next(value for value in table[name] if not holds_answers(table.loc[table[name] == value, name]))
            raise DataError(
                f"--label-column {given}: {name} holds {value!r}; several columns are one for each class, of 0 and 1",
                f"name the one column with the labels: --label-column {quote(name)}",
            )
    return read_class_columns(table, names)


def _use_classes(
    classes: ClassColumns, table: pd.DataFrame, path: Path, layout: Layout, taken: Collection[str]
) -> TableLabels:
    others = [name for name in table.columns if name not in taken and name not in classes.names]
    text = (
        f"{path.name}: {len(classes.names)} columns of 0 and 1 are read as one for each class: "
        f"{list_names(classes.names)}"
        + (f"; no classes are {list_names(others)}" if others else "")
        + "; to name others: --label-column A,B,C"
    )
    said = Notice("class-columns", text, len(classes.names))
    if classes.are_single and not layout.multi_label:
        return TableLabels(classes.label_rows(), notices=(said,))
    sets = join_class_columns(classes.rows, layout.multi_label, layout.multi_label_by)
    return TableLabels(sets.cells, sets.separator, notices=(said, *sets.notices))


def _refuse_failed_formulas(cells: Sequence[str], path: Path) -> None:
    failed = [cell.strip() for cell in cells if cell.strip() in FAILED_FORMULAS]
    if failed:
        raise DataError(
            f"{path}: the label of {len(failed):,} rows is {failed[0]}, a formula that failed",
            "mend the formula, or delete these rows",
        )


def _refuse_predictions(table: pd.DataFrame, path: Path) -> None:
    found = next((name for name in PREDICTED if name in table.columns), None)
    if found is not None:
        raise DataError(
            f"{path} has a column {found} and no label: a model's predictions are not the truth, and training on "
            "them repeats its mistakes",
            f"check the predictions, correct what is wrong, and rename the column {found} to label",
        )
