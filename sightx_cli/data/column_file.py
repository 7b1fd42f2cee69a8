"""Columns of text of large sets: in a file without a name on the disk of the cache, read as if they were in memory.

The names, paths and digests of a million images are 200 bytes each. In a file they cost the process nothing but what
is being read, which the system takes back when it needs it.
"""

from __future__ import annotations

import mmap
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from sightx_cli.filesystem import choose_cache_folder
from sightx_cli.startup.allocator import return_free_memory, returning_memory

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PART_ROWS = 100_000
"""So many rows are made, or written, at a time."""

LEAST_ROWS = 100_000
"""Fewer rows take so little memory that they stay there."""

_maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()


def keep_in_file(frame: pd.DataFrame, least_rows: int = LEAST_ROWS) -> pd.DataFrame:
    """Return a frame (N rows) with its columns of text in a file, gone with the last frame or column that reads it.

    What is in such a file already stays where it is. Frames of fewer rows, columns that pandas holds as Python objects,
    and all of them where the disk has no room, stay in memory: nothing but memory depends on it.
    """
    moved = [name for name in frame.columns if _is_in_memory(frame[name])] if len(frame) >= least_rows else []
    if not moved:
        return frame
    try:
        columns = _move([frame[name] for name in moved])
    except OSError:  # no folder to write in, a full disk, a file system without maps
        return frame
    frame = frame.copy(deep=False)
    for name, column in zip(moved, columns, strict=True):
        frame[name] = column
    return frame


def build_column(texts: Iterable[str], index: pd.Index[Any]) -> pd.Series[str]:
    """Build a column of as many texts as the index has rows, without all of them as objects, or in memory, at once."""
    import pandas as pd

    left, parts = iter(texts), list[pd.DataFrame]()
    while some := list(islice(left, PART_ROWS)):
        part = pd.DataFrame({0: some}, dtype=str)
        parts.append(part if len(index) < LEAST_ROWS else keep_in_file(part, 0))
    if not parts:
        return pd.Series([], dtype=str, index=index)
    return pd.concat(parts, ignore_index=True)[0].set_axis(index).rename(None)


def release_columns(and_free: bool = False) -> None:
    """Give back the memory of what was read from such files, which stays in the system's file cache.

    Where there are some, with `and_free` also what was allocated and is free again, which takes 10 ms and more.
    """
    for mapping in list(_maps) if hasattr(mmap, "MADV_DONTNEED") else ():
        mapping.madvise(mmap.MADV_DONTNEED)
    if and_free and _maps:
        return_free_memory()


@contextmanager
def working_on_tables() -> Iterator[None]:
    """Return what tables took during the block to the system at its end, where that can be told."""
    with returning_memory():
        try:
            yield
        finally:
            release_columns()


def _is_in_memory(column: pd.Series[Any]) -> bool:
    """Whether these are texts in Arrow's memory, of which some part at least is not in a file of ours."""
    import pandas as pd

    if not isinstance(column.dtype, pd.StringDtype) or column.dtype.storage != "pyarrow":
        return False
    places = [_locate(mapping) for mapping in list(_maps)]
    offsets = [chunk.buffers()[1].address for chunk in _give_texts(column).chunks if len(chunk)]
    return any(not any(start <= address < end for start, end in places) for address in offsets)


def _give_texts(column: pd.Series[Any]) -> pa.ChunkedArray:
    array: Any = column.array
    return array.__arrow_array__()


def _locate(mapping: mmap.mmap) -> tuple[int, int]:
    import pyarrow as pa

    buffer = pa.py_buffer(mapping)
    return buffer.address, buffer.address + buffer.size


def _move(columns: Sequence[pd.Series[Any]]) -> list[pd.Series[Any]]:
    """Write columns into one file, as Arrow's stream of batches, and return them as they are read from there.

    Raises: `OSError` where that cannot be done.
    """
    import pandas as pd
    import pyarrow as pa

    table = pa.table([_give_texts(column) for column in columns], [str(place) for place in range(len(columns))])
    folder = choose_cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(prefix="sightx-columns-", dir=folder) as file:
        with pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=PART_ROWS)
        file.flush()
        mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    _maps.add(mapping)
    kept = pa.ipc.open_stream(pa.py_buffer(mapping)).read_all()
    moved = []
    for place, column in enumerate(columns):
        kind: Any = column.dtype
        moved.append(pd.Series(kind.__from_arrow__(kept.column(place)), index=column.index, name=column.name))
    release_columns()
    return moved
