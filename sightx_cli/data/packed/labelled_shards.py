"""Labelled images of shards as one manifest: the rows of all shards, their labels and parts, and what was left out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.labelled_table import build_labelled_frame, read_parts
from sightx_cli.data.layout import Layout
from sightx_cli.data.layouts.part_names import name_parts
from sightx_cli.data.manifest import Manifest, build_manifest
from sightx_cli.data.name_labels import drop_unmatched
from sightx_cli.data.packed.class_list import name_class_numbers
from sightx_cli.data.packed.folder_labels import read_folder_labels
from sightx_cli.data.packed.packed_rows import PackedRows, read_packed_rows
from sightx_cli.data.packed.shard_set import ShardSet
from sightx_cli.data.packed.tar_samples import FOLDER, TEXT_FIELDS
from sightx_cli.data.table_labels import TableLabels, read_labels
from sightx_cli.errors import DataError
from sightx_cli.progress import Notice
from sightx_cli.tables.columns import (
    FoundColumn,
    choose_group_column,
    choose_label_column,
    choose_part_column,
    describe_columns,
    suggest_groups,
)

if TYPE_CHECKING:
    import pandas as pd

KIND = "shards"
"""The manifest's kind."""
PLAIN = ("label", "cls")
"""Columns of labels of which nothing need be said."""


@dataclass(frozen=True)
class ShardLabels:
    """The labels, and the parts where the same folders say them; "" for none."""

    labels: TableLabels
    parts: tuple[str, ...] = ()


def load_labelled_shards(shards: ShardSet, source: Path, layout: Layout) -> Manifest:
    """Read shards with labels; no image is read. `source` is the file, folder or pattern that the user named.

    Raises: `DataError` where no shard can be read, or the labels cannot be told; `UsageError` for --images.
    """
    if layout.images is not None:
        replace(layout, image_column=None, label_column=None).refuse_for_images(
            source, "a shard, which holds its images"
        )
    packed = read_packed_rows(shards, layout)
    rows, has_parts = packed.columns, bool((packed.parts != "").any())
    part = None if has_parts else choose_part_column(rows, source, name_parts)
    group = choose_group_column(rows)
    taken = {one.name for one in (part, group) if one is not None} | {FOLDER}
    read = _read_labels(packed, source, layout, taken, shards.root)
    found = read.labels
    used = {"image": None, "label": found.column, "split": part, "group": group}
    frame, same = build_labelled_frame(rows, used, packed.images, packed.paths, found.cells)
    if has_parts:
        frame, placed = frame.assign(split=packed.parts), [_describe_parts(packed)]
    else:
        frame = frame.assign(split=list(read.parts)) if any(read.parts) else frame
        frame, placed = read_parts(frame, part, source, layout.judges)
    frame, matched = drop_unmatched(frame, layout.label_by) if layout.label_by is not None else (frame, [])
    frame = frame if found.separator or layout.judges else _drop_unlabelled(frame, packed, source)
    if FOLDER in frame.columns and (not found.column or not (frame[FOLDER] != "").any()):
        frame = frame.drop(columns=FOLDER)
    said = {"labels": found.column, "parts": part}
    notices = [*shards.notices, *packed.notices, describe_columns(source, said), *found.notices, *matched, *same]
    notices += [*placed, *packed.faults.list_notices()]
    if group is None and layout.group_by is None:
        taken |= {found.column.name} if found.column else set()
        notices.append(suggest_groups(rows, taken, source, layout.judges, layout.per))
    return build_manifest(frame, shards.root, KIND, [one for one in notices if one is not None], found.separator)


def _read_labels(packed: PackedRows, source: Path, layout: Layout, taken: Collection[str], folder: Path) -> ShardLabels:
    """Read the labels where the user, the kind of shard, a column, a text or the folders say them, in this order."""
    rows, column = packed.columns, layout.label_column
    if layout.label_by is None and column is None:
        column = packed.label_column or None
        if column is None and choose_label_column(rows, source, taken) is None:
            column = next((name for name in TEXT_FIELDS if name in rows.columns), None)
            if column is None and FOLDER in rows.columns and (rows[FOLDER] != "").any():
                by_folder = read_folder_labels(rows[FOLDER].tolist())
                return ShardLabels(TableLabels(by_folder.labels, notices=by_folder.notices), by_folder.parts)
    asked = layout if column is None else replace(layout, label_column=column)
    files = packed.paths.tolist() if layout.label_by is not None else []
    found = read_labels(rows, source, asked, taken, files)
    cells, said = name_class_numbers(found.cells, folder)
    used = found.column
    if used is not None and layout.label_column is None:
        used = FoundColumn(used.name, used.name not in PLAIN)
    return ShardLabels(TableLabels(cells, found.separator, used, (*found.notices, *said)))


def _drop_unlabelled(frame: pd.DataFrame, packed: PackedRows, source: Path) -> pd.DataFrame:
    bare = frame["label"].str.strip() == ""
    if bare.all():
        said = "; ".join(notice.text for notice in packed.faults.list_notices())
        raise DataError(
            f"{source}: none of the {len(frame):,} images has a label" + (f"; {said}" if said else ""),
            "name their column with --label-column NAME, or label the images with: sightx predict",
        )
    if bare.any():
        packed.faults.add("no-label", frame.loc[bare, "image"].iloc[0], int(bare.sum()))
        frame = frame[~bare].reset_index(drop=True)
    return frame


def _describe_parts(packed: PackedRows) -> Notice:
    counts = packed.parts.value_counts()
    said = ", ".join(f"{part} {int(counts[part]):,}" for part in ("train", "valid", "test") if part in counts)
    return Notice("parts", f"parts by the names of the shards: {said} images", len(packed.parts))
