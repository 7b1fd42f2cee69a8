"""A table of labelled images as the user wrote it: read, completed, and checked for contradictory rows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.part_names import name_parts
from sightx_cli.data.tables import check_columns, exists, locate_image, read_table, tidy_values
from sightx_cli.errors import DataError
from sightx_cli.progress import Notice

if TYPE_CHECKING:
    import pandas as pd

_FILE = " file"  # a working column; a table's own columns never start with a blank


def load_labelled_table(path: Path) -> tuple[pd.DataFrame, list[Notice]]:
    """Read a table of labelled images: image, path, label, split, group, then its other columns; and notices.

    Raises: `DataError` for a file that is not a table, for empty or contradictory rows, or if no image exists.
    """
    table = read_table(path, ["image"])
    _refuse_predictions(table, path)
    check_columns(table, path, ["label"])
    for name in ("split", "group"):
        if name not in table.columns:
            table[name] = ""
    table["image"] = table["image"].str.strip()  # else verbatim: it names a file
    notices: list[Notice] = []
    for name in table.columns.drop("image"):
        table[name], same = tidy_values(table[name].tolist(), name)
        notices += [Notice("same-names", same, warns=True)] if same and name != "split" else []
    _check_filled(table, path)
    unplaced = int((table["split"] == "").sum())
    table["split"] = _read_parts(table["split"], path)
    if unplaced and "train" in set(table["split"]):
        text = f"{unplaced:,} row{'s' * (unplaced != 1)} of {path.name} with an empty split: read as train"
        notices.append(Notice("unplaced-rows", text, unplaced, warns=True))
    rows = len(table)
    table["path"] = [locate_image(image, path.parent) for image in table["image"]]
    table[_FILE] = [os.path.normcase(os.path.normpath(file)) for file in table["path"]]
    table = table.drop_duplicates([_FILE, "label", "split", "group"])
    if len(table) < rows:
        text = f"ignored repeated rows of {path.name}: {rows - len(table):,}"
        notices.append(Notice("repeated-rows", text, rows - len(table), warns=True))
    _check_contradictions(table, path)
    missing = [not exists(file) for file in table["path"]]
    if all(missing):
        raise DataError(
            f"none of the {len(table):,} images of {path} exists; the first path is {table['path'].iloc[0]}",
            f"write the paths relative to the table's own folder, {path.parent}",
        )
    first = ["image", "path", "label", "split", "group"]
    others = [name for name in table.columns if name not in (*first, _FILE)]
    return table[first + others], notices


def _refuse_predictions(table: pd.DataFrame, path: Path) -> None:
    if "prediction" in table.columns and "label" not in table.columns:
        raise DataError(
            f"{path} has a column prediction and no label: a model's predictions are not the truth, and training on "
            "them repeats its mistakes",
            "check the predictions, correct what is wrong, and rename the column prediction to label",
        )


def _check_filled(table: pd.DataFrame, path: Path) -> None:
    for name in ("image", "label"):
        lines = [str(place + 2) for place, value in enumerate(table[name]) if not value]  # line 1 is the header
        if lines:
            raise DataError(
                f"{path}: {len(lines):,} rows have no {name} (line {', '.join(lines[:5] + ['…'] * (len(lines) > 5))})",
                "fill them in, or delete the rows",
            )


def _read_parts(parts: pd.Series[str], path: Path) -> list[str]:
    known = {"": "", **name_parts(set(parts))}
    wrong = sorted({part for part in parts if part not in known})
    if wrong:
        raise DataError(
            f"{path}: split is {', '.join(map(repr, wrong[:5]))}; allowed: train, valid, test or empty",
            "rename these values, or delete the column to have a valid part set aside",
        )
    read = [known[part] for part in parts]
    if any(read) and not set(read) & {"train", ""}:
        raise DataError(f"{path}: no row has split train", "set split to train for the images to train on")
    if set(read) <= {"train", ""}:
        return [""] * len(read)  # train alone is no split: a valid part is still to be set aside
    return [part or "train" for part in read]


def _check_contradictions(table: pd.DataFrame, path: Path) -> None:
    doubled = table[table.duplicated(_FILE, keep=False)]
    if len(doubled):
        first = doubled[doubled[_FILE] == doubled[_FILE].iloc[0]]
        said = " and ".join(
            f"label {label}" + (f", split {part}" if part else "") + (f", group {group}" if group else "")
            for label, part, group in zip(first["label"], first["split"], first["group"], strict=True)
        )
        raise DataError(
            f"{path} names {first['image'].iloc[0]} more than once with different values: {said}",
            "keep one row for each image",
        )
