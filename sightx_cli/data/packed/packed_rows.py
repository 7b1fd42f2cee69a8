"""The rows of several shards as one: images and their paths, the part of each, and what lies beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.column_file import PART_ROWS, keep_in_file
from sightx_cli.data.layout import Layout
from sightx_cli.data.packed.parquet_table import read_parquet_rows
from sightx_cli.data.packed.shard_faults import ShardError, ShardFaults
from sightx_cli.data.packed.shard_rows import ShardRows
from sightx_cli.data.packed.shard_set import ShardSet, is_tar_name, name_shard_parts
from sightx_cli.data.packed.tar_samples import read_tar_rows
from sightx_cli.data.readers.references import MARK
from sightx_cli.errors import DataError
from sightx_cli.progress import Notice

if TYPE_CHECKING:
    import pandas as pd

_IMAGE, _PATH, _PART = " image", " path", " part"  # working columns; a shard's own never start with a blank


@dataclass(frozen=True)
class PackedRows:
    """The images of several shards, in the order of the shards and of the rows within each."""

    images: pd.Series[str]
    """For people: the shard relative to the source, and the image in it."""
    paths: pd.Series[str]
    """Where the bytes lie."""
    parts: pd.Series[str]
    """By the names of the shards; "" where they say none."""
    columns: pd.DataFrame
    label_column: str
    """The column that the kind of shard says to hold the labels; "" for none."""
    faults: ShardFaults
    notices: list[Notice]


def read_packed_rows(shards: ShardSet, layout: Layout, with_labels: bool = True) -> PackedRows:
    """Read the rows of all shards; one that cannot be read is counted and named, and the rest goes on.

    Raises: `DataError` where none can be read, or holds an image.
    """
    import pandas as pd

    parts, said = name_shard_parts(shards.files, shards.root) if with_labels else (dict.fromkeys(shards.files, ""), [])
    faults, errors = ShardFaults(), list[ShardError]()
    kept, waiting, counts, label_column = list[pd.DataFrame](), list[pd.DataFrame](), dict[Path, int](), ""
    for path in parts:
        try:
            rows = _read_rows(path, layout, with_labels)
        except ShardError as error:
            errors.append(error)
            faults.add("unread", f"{path.name} {error.reason}")
            continue
        faults.merge(rows.faults)
        if len(rows.names):
            shown = path.relative_to(shards.root).as_posix()
            own = {_IMAGE: f"{shown}{MARK}" + rows.names, _PATH: f"{path}{MARK}" + rows.places}
            waiting.append(rows.columns.assign(**own, **{_PART: parts[path]}))
            label_column = label_column or rows.label_column
            counts[path] = len(rows.names)
            if sum(map(len, waiting)) >= PART_ROWS:
                kept, waiting = [*kept, keep_in_file(_join(waiting))], []
        else:
            faults.add("empty", path.name)
    if not counts:
        raise _refuse(shards, errors, faults)
    frame = _join([*kept, *waiting])
    if len({parts[path] for path in counts}) == 1:  # the shards of the others are empty, or cannot be read
        frame[_PART] = ""
    columns = frame.drop(columns=[_IMAGE, _PATH, _PART])
    return PackedRows(frame[_IMAGE], frame[_PATH], frame[_PART], columns, label_column, faults, said)


def _read_rows(path: Path, layout: Layout, with_labels: bool) -> ShardRows:
    if is_tar_name(path):
        return read_tar_rows(path, layout.image_column, with_labels)
    return read_parquet_rows(path, layout.image_column)


def _join(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Put rows below each other; a column that some of them lack is empty there."""
    import pandas as pd

    joined = pd.concat(list(frames), ignore_index=True)
    for name, column in list(joined.items()):
        if column.hasnans:
            joined[name] = column.fillna("").astype(str)
    return joined


def _refuse(shards: ShardSet, errors: Sequence[ShardError], faults: ShardFaults) -> DataError:
    if len(shards.files) == 1 and errors:
        return errors[0]
    said = "; ".join(notice.text for notice in faults.list_notices())
    what = f"none of the {len(shards.files):,} shards in {shards.root} holds" if len(shards.files) > 1 else ""
    return DataError(
        f"{what or f'{shards.files[0]} does not hold'} an image that can be read: {said}",
        errors[0].hint if errors else "an image has an ending such as .jpg; --image-column ENDING names another",
    )
