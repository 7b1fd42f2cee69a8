"""The rows of a Parquet file with images: the other columns as text, in batches; the images themselves are not read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.data.packed.parquet_columns import (
    ImageColumn,
    choose_bytes_column,
    is_binary,
    read_class_names,
    read_parquet_schema,
)
from sightx_cli.data.packed.shard_faults import ShardError
from sightx_cli.data.packed.shard_rows import ShardRows
from sightx_cli.data.packed.tar_samples import write_cell
from sightx_cli.data.readers.references import refer_to_row
from sightx_cli.tables.parquet_grid import to_text_column

if TYPE_CHECKING:
    import pandas as pd

BATCH_ROWS = 16_384


def read_parquet_rows(path: Path, image_column: str | None = None) -> ShardRows:
    """Read a file's rows; numbers of classes become their names where the file notes them, −1 becomes none.

    Raises: `ShardError` for what is no Parquet, or holds no images.
    """
    import pandas as pd
    from pyarrow import ArrowException, parquet

    try:
        schema = read_parquet_schema(path)
        image = choose_bytes_column(path, schema, image_column)
        names = read_class_names(schema)
        kept = [field.name for field in schema if field.name != image.name and _is_cell(field.type)]
        wanted = [*kept, *([image.path_column] if image.path_column else [])]
        with parquet.ParquetFile(path) as file:
            rows = file.metadata.num_rows
            batches = list(_read_batches(file, wanted, kept, image, names, rows))
    except (ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ShardError(path, f"cannot be read: {reason}", "save it again, or copy it again") from error
    columns = pd.concat([one for one, _ in batches], ignore_index=True) if batches else pd.DataFrame()
    files = pd.concat([one for _, one in batches], ignore_index=True) if batches else pd.Series([], dtype=str)
    number = pd.Series(range(rows)).astype(str)
    start = refer_to_row(0, image.bytes_column).removeprefix("@0")
    classes = [name for name in names if name in columns.columns]
    return ShardRows(
        (number + ("/" + files).where(files != "", "")),
        ("@" + number + start + files),
        columns,
        classes[0] if len(classes) == 1 else "",
    )


def _read_batches(
    file: Any, wanted: list[str], kept: list[str], image: ImageColumn, names: dict[str, tuple[str, ...]], rows: int
) -> Iterator[tuple[pd.DataFrame, pd.Series[str]]]:
    """Yield the cells of each batch, and the names that the files had, without their folders."""
    import pandas as pd

    if not wanted:
        yield pd.DataFrame(index=range(rows)), pd.Series([""] * rows, dtype=str)
        return
    for batch in file.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False):
        cells = {name: _to_cells(batch.column(name), names.get(name)) for name in kept}
        files = pd.Series([""] * batch.num_rows, dtype=str)
        if image.path_column:
            named = batch.column(image.name).field("path").to_pandas().fillna("").astype(str)
            files = named.str.replace("\\", "/").str.rpartition("/")[2].astype(str)
        yield pd.DataFrame(cells, dtype=str, index=range(batch.num_rows)), files


def _to_cells(column: Any, names: tuple[str, ...] | None) -> pd.Series[str]:
    """Return a column as text."""
    import pandas as pd
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if names is not None:
        return pd.Series([_name(value, names) for value in column.to_pylist()], dtype=str)
    if types.is_list(column.type) or types.is_large_list(column.type):
        return pd.Series([write_cell(value) or "" for value in column.to_pylist()], dtype=str)
    return to_text_column(column)


def _name(value: Any, names: tuple[str, ...]) -> str:
    """Name the class, or the classes, of a number; a number without a name stays one, −1 is none."""
    if isinstance(value, list):
        return ";".join(filter(None, (_name(one, names) for one in value)))
    if not isinstance(value, int) or value == -1:
        return "" if value in (None, -1) else str(value)
    return names[value] if 0 <= value < len(names) else str(value)


def _is_cell(kind: Any) -> bool:
    """Whether values of a type can stand in a cell: no bytes, no objects, no lists of lists."""
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind):
        return not types.is_nested(kind.value_type) and not is_binary(kind.value_type)
    return not types.is_nested(kind) and not is_binary(kind)
