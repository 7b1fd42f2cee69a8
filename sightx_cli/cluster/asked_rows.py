"""The rows asked for, of any source, one after the other: a large table of Parquet is never in memory as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.data.layout import Layout
from sightx_cli.data.packed.shard_set import holds_images
from sightx_cli.data.queries import IMAGE, QueryRow, build_query
from sightx_cli.data.readers import list_suffixes
from sightx_cli.data.readers.remote_file import describe_refused, find_filesystem, hide_secrets, is_remote
from sightx_cli.data.tables import rename_given
from sightx_cli.errors import DataError
from sightx_cli.progress import Notice
from sightx_cli.tables.column_names import simplify
from sightx_cli.tables.columns import choose_image_column
from sightx_cli.tables.image_finder import ImageFinder
from sightx_cli.tables.parquet_grid import to_text_column
from sightx_cli.tables.parquet_types import is_kept

STREAMED_ROWS = 50_000
"""From so many rows on a table of Parquet is read batch by batch, and its names are taken as they stand."""
BATCH_ROWS = 2000
PARQUET_ENDINGS = (".parquet", ".pq")


@dataclass(frozen=True)
class AskedRows:
    """Rows to predict, in their order, and the tables' own columns."""

    count: int
    iterate: Callable[[], Iterator[QueryRow]]
    columns: tuple[str, ...]
    types: Mapping[str, Any]
    notices: tuple[Notice, ...]
    files: int
    """The different files among them; 0 where they were not counted."""


def ask_rows(sources: Sequence[str | Path], layout: Layout) -> AskedRows:
    """Find the rows of sources; raises what `build_query` raises."""
    if len(sources) == 1 and str(sources[0]).lower().partition("?")[0].endswith(PARQUET_ENDINGS):
        asked = _open_table(str(sources[0]), layout)
        if asked is not None:
            return asked
    query = build_query(sources, layout)
    return AskedRows(
        len(query.rows), lambda: iter(query.rows), query.columns, query.types, query.notices, query.count_files()
    )


def _open_table(source: str, layout: Layout) -> AskedRows | None:
    """Open a table of Parquet that is large or lies at a URI; None for any other."""
    import pyarrow.parquet

    shown, is_far = hide_secrets(source), is_remote(source)
    place = source if is_far else str(Path(source).expanduser().absolute())
    if not is_far and (not Path(place).is_file() or holds_images(Path(place), layout.image_column)):
        return None
    try:
        file = pyarrow.parquet.ParquetFile(_open(place))
        if not is_far and file.metadata.num_rows < STREAMED_ROWS:
            return None
        first = next(file.iter_batches(BATCH_ROWS), None)
    except Exception as error:  # what pyarrow raises depends on the file system, and its words may hold a secret
        if not is_far:
            return None  # the reader of small tables says what is wrong with it
        raise DataError(f"{shown} {describe_refused(error)}", "see the address, and who may read it") from None
    if first is None:
        raise DataError(f"{shown} has no rows", "add one row for each image")
    return _describe_table(place, shown, file.metadata.num_rows, first, layout)


def _open(place: str) -> Any:
    if not is_remote(place):
        return place
    system, path = find_filesystem(place)
    return system.open_input_file(path)


def _describe_table(place: str, shown: str, count: int, first: Any, layout: Layout) -> AskedRows:
    import pandas as pd
    import pyarrow

    folder = place.rpartition("/" if is_remote(place) else os.sep)[0]
    images = layout.find_images_folder()
    base = folder if images is None else str(images)
    names = list(first.schema.names)
    texts = {name: to_text_column(first.column(at)).tolist() for at, name in enumerate(names)}
    finder = ImageFinder(Path(base), images, list_suffixes())
    column = choose_image_column(pd.DataFrame(texts, dtype=str), Path(shown), layout.image_column, finder).name
    kind = first.schema.field(column).type
    if pyarrow.types.is_binary(kind) or pyarrow.types.is_nested(kind):
        raise DataError(
            f"{shown}: the column {column!r} holds images and not their names, which is read from disks alone",
            "copy the table to a disk that all workers see, or name the images' addresses in it",
        )
    is_documented = simplify(column) == IMAGE
    kept = rename_given([name for name in names if not (is_documented and name == column)], [IMAGE])
    types = {
        kept.get(name, name): first.schema.field(name).type
        for at, name in enumerate(names)
        if name in kept and is_kept(first.column(at), texts[name])
    }
    text = (
        f"{shown}: {count:,} rows, images named by the column {column!r}: names are taken as they stand, "
        f"relative ones in {hide_secrets(base)}"
    )

    def iterate() -> Iterator[QueryRow]:
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(_open(place)) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                cells = [to_text_column(one).tolist() for one in batch.columns]
                for name, row in zip(cells[names.index(column)], zip(*cells, strict=True), strict=True):
                    yield QueryRow(name, _join(base, name), row)

    columns = tuple(kept.get(name, IMAGE) for name in names)
    return AskedRows(count, iterate, columns, types, (Notice("streamed-table", text, count),), 0)


def _join(base: str, name: str) -> str:
    name = name.strip()
    if not name or is_remote(name) or Path(name).is_absolute():
        return name
    return f"{base}/{name}"
