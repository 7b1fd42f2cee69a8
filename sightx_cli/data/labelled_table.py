"""A table of labelled images as the user wrote it: read, completed, and checked for contradictory rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.data.column_file import build_column
from sightx_cli.data.layout import FOUND_OUT, Layout
from sightx_cli.data.layouts.part_names import name_parts
from sightx_cli.data.name_labels import drop_unmatched
from sightx_cli.data.readers import list_suffixes
from sightx_cli.data.readers.remote_file import hide_secrets, is_remote
from sightx_cli.data.table_labels import read_labels
from sightx_cli.data.tables import Table, are_tidy, read_table, rename_given, tidy_values
from sightx_cli.data.text_columns import count_texts, list_repeated, list_texts
from sightx_cli.errors import DataError
from sightx_cli.progress import Notice
from sightx_cli.tables.columns import (
    FoundColumn,
    choose_group_column,
    choose_image_column,
    choose_part_column,
    describe_columns,
    list_holding,
    suggest_groups,
    suggest_parts,
)
from sightx_cli.tables.image_finder import ImageFinder
from sightx_cli.tables.located_images import build_absence, describe_missing, locate_images, tell_apart

if TYPE_CHECKING:
    import pandas as pd

OWN = ("image", "path", "label", "split", "group")
"""The columns of every frame of labelled images."""
LATER = ("digest", "is_judged")
"""Those that are added when the files are read, and when a model is judged on them."""

_FILE = " file"  # a working column; a table's own columns never start with a blank


@dataclass(frozen=True)
class LabelledTable:
    """The rows of a table of labelled images: image, path, label, split, group, then its other columns."""

    frame: pd.DataFrame
    notices: list[Notice]
    separator: str = ""
    """What joins several labels of one image (see `Manifest`); "" where each has one."""


def load_labelled_table(path: Path, layout: Layout = FOUND_OUT) -> LabelledTable:
    """Read a table of labelled images.

    `layout` holds what the user named; the other columns are found (see `data.columns`), and so are the files of names
    that are not files as they stand (see `data.image_finder`). A column that bears one of the names above, and is
    something else, is kept as `…_given`.

    Raises: `DataError` for a file that is not a table, for columns or files that are not found or may be several, and
    for empty or contradictory rows.
    """
    table = _drop_blank(read_table(path))
    finder = ImageFinder(path.parent, layout.find_images_folder(), list_suffixes())
    image = choose_image_column(table.frame, path, layout.image_column, finder)
    table = _drop_nameless(table, image.name, path) if layout.judges else table
    rows = table.frame
    part, group = choose_part_column(rows, path, name_parts), choose_group_column(rows)
    names = list_texts(rows[image.name].str.strip())  # else verbatim: it names a file
    _check_filled(names, "image", table, path)
    located = locate_images(names, finder, path, lambda place: rows.iloc[place])
    taken = {one.name for one in (image, part, group) if one is not None}
    found = read_labels(rows, path, layout, taken, located.paths)
    if layout.label_by is None and not found.separator and not layout.judges:
        _check_filled(found.cells, "label", table, path)
    used = {"image": image, "label": found.column, "split": part, "group": group}
    images = [hide_secrets(name) if is_remote(name) else name for name in tell_apart(names, located.paths, path.parent)]
    frame, same = build_labelled_frame(rows, used, images, located.paths, found.cells)
    frame, placed = read_parts(frame, part, path, layout.judges)
    frame, matched = drop_unmatched(frame, layout.label_by) if layout.label_by is not None else (frame, [])
    if len(located.missing) == len(rows):
        others = list_holding(rows, [name for name in rows.columns if name != image.name], finder)
        raise build_absence(names, located, finder, path, others)
    said = {"image names": image, "labels": found.column, "parts": part}
    notices = [*table.notices, describe_columns(path, said), *found.notices, suggest_parts(rows, path, name_parts)]
    notices += [*located.notices, *matched, *same, *placed]
    if located.missing:
        text = f"{describe_missing(names, located, finder, path)}; they are left out"
        notices.append(Notice("missing-files", text, len(located.missing), warns=True))
    if group is None and layout.group_by is None:
        taken |= {found.column.name} if found.column else set()
        notices.append(suggest_groups(rows, taken, path, layout.judges, layout.per))
    frame, repeated = _drop_repeated(frame, path)
    return LabelledTable(frame, [one for one in [*notices, *repeated] if one is not None], found.separator)


def _drop_blank(table: Table) -> Table:
    """Drop rows without any value."""
    is_filled = (table.frame != "").any(axis=1)
    if is_filled.all():
        return table
    return _keep_rows(table, is_filled.tolist())


def _drop_nameless(table: Table, image: str, path: Path) -> Table:
    """Drop rows without an image: no answer can be held against their label. A table of them alone is kept."""
    is_named = table.frame[image].str.strip() != ""
    if is_named.all() or not is_named.any():
        return table
    lines = _list_empty(table, table.frame[image].tolist())
    text = (
        f"{len(lines):,} row{'s' * (len(lines) != 1)} of {path.name} without an image left out "
        f"({_name_lines(lines)}): nothing of them can be judged"
    )
    kept = _keep_rows(table, is_named.tolist())
    return replace(kept, notices=(*kept.notices, Notice("without-image", text, len(lines), warns=True)))


def _keep_rows(table: Table, is_kept: Sequence[bool]) -> Table:
    lines = [line for line, stays in zip(table.lines, is_kept, strict=True) if stays]
    return Table(table.frame[is_kept].reset_index(drop=True), lines, table.notices)


def _list_empty(table: Table, values: Sequence[str]) -> list[int]:
    """List the lines of the rows whose value is empty."""
    return [line for line, value in zip(table.lines, values, strict=True) if not value.strip()]


def _name_lines(lines: Sequence[int]) -> str:
    return f"line {', '.join([*map(str, lines[:5]), *['…'] * (len(lines) > 5)])}"


def build_labelled_frame(
    rows: pd.DataFrame,
    used: dict[str, FoundColumn | None],
    names: Sequence[str] | pd.Series[str],
    paths: Sequence[str] | pd.Series[str],
    labels: Sequence[str],
) -> tuple[pd.DataFrame, list[Notice]]:
    """Put the columns together; names that become the same without blanks around them are said."""
    import pandas as pd

    given = {"image": names, "path": paths, "label": labels}
    columns: dict[str, Any] = {
        own: texts if isinstance(texts, pd.Series) else build_column(texts, rows.index) for own, texts in given.items()
    }
    for own in ("split", "group"):
        column = used[own]
        columns[own] = rows[column.name] if column is not None else ""
    documented = {one.name for own, one in used.items() if one is not None and one.name.lower() == own}
    others = [name for name in rows.columns if name not in documented]
    columns |= {kept: rows[name] for name, kept in rename_given(others, (*OWN, *LATER)).items()}
    notices = []
    for name, column in columns.items():
        if not isinstance(column, pd.Series) or name in given or are_tidy(column.unique()):
            continue
        columns[name], same = tidy_values(column.tolist(), name)
        notices += [Notice("same-names", same, warns=True)] if same and name != "split" else []
    return pd.DataFrame(columns, dtype=str, index=rows.index), notices


def _check_filled(values: Sequence[str], what: str, table: Table, path: Path) -> None:
    lines = _list_empty(table, values)
    if lines:
        count = "1 row has" if len(lines) == 1 else f"{len(lines):,} rows have"
        raise DataError(
            f"{path}: {count} no {what} ({_name_lines(lines)})",
            "fill them in, or delete the rows"
            + ("; if these images have none of several labels, add --multi-label" if what == "label" else ""),
        )


def read_parts(
    frame: pd.DataFrame, column: FoundColumn | None, path: Path, judges: bool = False
) -> tuple[pd.DataFrame, list[Notice]]:
    """Read the names of the parts; beside given ones, a row without a name is trained on, which is said."""
    given, name = count_texts(frame["split"]), column.name if column else "split"
    known = {"": "", **name_parts(set(given))}
    wrong = sorted(given.keys() - known.keys())
    if wrong:
        raise DataError(
            f"{path}: {name} is {', '.join(map(repr, wrong[:5]))}; allowed: train, valid, test or empty",
            "rename these values, or delete the column to have a valid part set aside",
        )
    read = {known[part] for part in given}
    if any(read) and not read & {"train", ""} and not judges:
        raise DataError(f"{path}: no row has {name} train", f"set {name} to train for the images to train on")
    if read <= {"train", ""}:
        return frame.assign(split=""), []  # train alone is no split: a valid part is still to be set aside
    unplaced = sum(rows for part, rows in given.items() if not known[part])
    text = f"{unplaced:,} row{'s' * (unplaced != 1)} of {path.name} with an empty {name}: read as train"
    said = [Notice("unplaced-rows", text, unplaced, warns=True)] if unplaced else []
    return frame.assign(split=[known[part] or "train" for part in list_texts(frame["split"])]), said


def _drop_repeated(frame: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, list[Notice]]:
    """Drop rows that say the same of the same file. Raises `DataError` for rows that say different things of one."""
    plain = (os.path.normcase(os.path.normpath(file)) for file in frame["path"])
    files = build_column(plain, frame.index)
    if not any(True for _ in list_repeated(files)):
        return frame, []
    kept = frame.assign(**{_FILE: files}).drop_duplicates([_FILE, "label", "split", "group"])
    doubled = kept[kept.duplicated(_FILE, keep=False)]
    if len(doubled):
        first = doubled[doubled[_FILE] == doubled[_FILE].iloc[0]]
        said = " and ".join(
            f"label {label}" + (f", split {part}" if part else "") + (f", group {group}" if group else "")
            for label, part, group in zip(first["label"], first["split"], first["group"], strict=True)
        )
        raise DataError(
            f"{path} names {first['image'].iloc[0]} more than once with different values: {said}",
            "keep one row for each image"
            + ("; of an image with several labels, as a;b" if first["label"].nunique() > 1 else ""),
        )
    if len(kept) == len(frame):
        return kept.drop(columns=_FILE), []
    dropped = frame.assign(**{_FILE: files}).drop(index=kept.index)
    return kept.drop(columns=_FILE), [_describe_repeated(dropped, kept, path)]


def _describe_repeated(dropped: pd.DataFrame, kept: pd.DataFrame, path: Path) -> Notice:
    """Say how many rows are ignored, with the first whose other columns say anything else than the row that is kept."""
    stays = kept.set_index(_FILE).loc[dropped[_FILE]]
    others = [name for name in kept.columns if name not in ("image", "path", _FILE)]
    differ = dropped[others].to_numpy() != stays[others].to_numpy()
    place = int(differ.any(axis=1).argmax())
    text = f"ignored repeated rows of {path.name}: {len(dropped):,}, such as that of {dropped['image'].iloc[place]}"
    if unequal := int(differ.any(axis=1).sum()):
        said = ", ".join(
            f"{name} {stays[name].iloc[place] or 'empty'}, not {dropped[name].iloc[place] or 'empty'}"
            for name, other in zip(others, differ[place], strict=True)
            if other
        )
        text += f"; {unequal:,} differ{'s' * (unequal == 1)} from the row that is kept (here it says {said})"
    return Notice("repeated-rows", text, len(dropped), warns=True)
