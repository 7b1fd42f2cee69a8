"""Reads the bytes of any row of Parquet: a few row groups are held.

Parquet is read by row groups (`datasets` makes them of 100 images); those read last stay in memory, each process for
itself: the one or two that reading in order needs, and more where groups are asked for again.
"""

from __future__ import annotations

import functools
import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from sightx_cli.data.packed.shard_faults import ShardError
from sightx_cli.data.readers.base import ImageFileError

HELD_BYTES = 192 * 1024**2
"""The most of row groups in memory: some ten of 100 photographs each. More would help little: an image in any order is
one group read, and memory is to be the same for any number of images."""
HELD_AT_FIRST_BYTES = 8 * 1024**2
"""So much until groups are asked for again: reading in order never does, and more would lie idle."""


class FileState(NamedTuple):
    """A file as it was when it was read: another size or time is another file."""

    path: str
    size: int
    changed_ns: int


GroupKey = tuple[FileState, int, str]
"""A row group: its file, its number in it, and the column."""


class RowGroups:
    """The row groups read last, of all files; threads that want the same one read it once.

    They may take so many bytes, which grow to `most_bytes` as it shows that more would help: by the size of each group
    that is asked for again and would still be held by then.
    """

    def __init__(self, budget_bytes: int, most_bytes: int) -> None:
        self._budget_bytes, self._most_bytes = budget_bytes, most_bytes
        self._held: OrderedDict[GroupKey, Any] = OrderedDict()
        self._dropped: OrderedDict[GroupKey, int] = OrderedDict()
        """The bytes of groups that `most_bytes` would hold beside those above, the longest unused first."""
        self._reading: dict[GroupKey, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """What is in memory."""
        return sum(values.nbytes for values in self._held.values())

    def find(self, state: FileState, group: int, column: str) -> Any:
        """Return a row group's column of bytes, a `pyarrow.ChunkedArray`, read where it is not held."""
        key = (state, group, column)
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
            reading = self._reading.setdefault(key, threading.Lock())
        with reading:
            with self._lock:
                if key in self._held:
                    return self._held[key]
            values = _read_group(state, group, column)
            with self._lock:
                self._hold(key, values)
                self._reading.pop(key, None)
        return values

    def _hold(self, key: GroupKey, values: Any) -> None:
        """Hold a group that was read, and drop what is too much then."""
        again = self._dropped.pop(key, 0)
        self._budget_bytes = min(self._budget_bytes + again, self._most_bytes)
        self._held[key] = values
        while self.held_bytes > self._budget_bytes and len(self._held) > 1:
            dropped, unused = self._held.popitem(last=False)
            self._dropped[dropped] = unused.nbytes
        known_bytes = self.held_bytes + sum(self._dropped.values())
        while known_bytes > self._most_bytes and self._dropped:
            known_bytes -= self._dropped.popitem(last=False)[1]


@functools.cache
def open_row_groups() -> RowGroups:
    """Return what this process holds."""
    return RowGroups(HELD_AT_FIRST_BYTES, HELD_BYTES)


def read_cell(path: str, row: int, column: str, shown: str) -> bytes:
    """Return the bytes in a row (from 0) of a column; raises `ImageFileError` where there are none, `OSError`."""
    import pyarrow

    state = os.stat(path)  # noqa: PTH116 - each image of a set comes by here
    try:
        values, place = _find_row(FileState(path, state.st_size, state.st_mtime_ns), row, column)
        value = None if values is None else values[place].as_py()
    except (pyarrow.ArrowException, ShardError) as error:
        raise ImageFileError(shown, f"cannot be read from its shard: {str(error).splitlines()[0]}") from error
    if values is None:
        raise ImageFileError(shown, f"is beyond the last row of {path}")
    if value is None:
        raise ImageFileError(shown, "has no image: the cell is null", "fill it in, or leave the row out")
    return bytes(value)


def find_bytes_column(path: Path) -> str:
    """Return the column that holds the images of a file; raises `ImageFileError` where none does."""
    from sightx_cli.data.packed.parquet_columns import find_image_columns, read_parquet_schema

    found = find_image_columns(path, read_parquet_schema(path))
    if not found:
        raise ImageFileError(path, "has no column with the bytes of images")
    return found[0].bytes_column


def _find_row(state: FileState, row: int, column: str) -> tuple[Any, int]:
    starts = _list_starts(state)
    if not 0 <= row < starts[-1]:
        return None, 0
    group = bisect_right(starts, row) - 1
    return open_row_groups().find(state, group, column), row - starts[group]


@functools.lru_cache(maxsize=256)
def _list_starts(state: FileState) -> tuple[int, ...]:
    metadata = _read_metadata(state)
    return tuple(accumulate((metadata.row_group(one).num_rows for one in range(metadata.num_row_groups)), initial=0))


@functools.lru_cache(maxsize=256)
def _read_metadata(state: FileState) -> Any:
    from pyarrow import parquet

    return parquet.read_metadata(state.path)


def _read_group(state: FileState, group: int, column: str) -> Any:
    """Read one row group's column; of a struct such as image.bytes the field, null where the struct is."""
    import pyarrow.compute
    from pyarrow import parquet

    with parquet.ParquetFile(state.path, metadata=_read_metadata(state)) as file:
        table = file.read_row_group(group, columns=[column], use_threads=False)
    values = table.column(0)
    return pyarrow.compute.struct_field(values, [0]) if pyarrow.types.is_struct(values.type) else values
