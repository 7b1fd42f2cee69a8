"""Which column of a Parquet file holds images as bytes, and what its columns of labels mean.

`datasets` writes an image as struct<bytes: binary, path: string>, a label as a number, and what both are in the
metadata of the schema, under the key `huggingface` (its `Features`, as `arrow_writer.ArrowWriter` notes them).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.data.packed.shard_faults import ShardError
from sightx_cli.data.readers import READERS
from sightx_cli.tables.column_names import IMAGE_NAMES, simplify

PEEKED_ROWS = 64
"""So many first rows of a column of bytes are looked at to see whether they are images."""
ENCRYPTED = "is encrypted Parquet"
_ENCRYPTED_START = b"PARE"
_DECRYPT = "save it again without encryption"


@dataclass(frozen=True)
class ImageColumn:
    """A column of images."""

    name: str
    bytes_column: str
    """The column as Parquet names it: image.bytes of a struct."""
    path_column: str = ""
    """The field with the names that the files had; "" for none."""


def read_parquet_schema(path: Path) -> Any:
    """Return the schema (a `pyarrow.Schema`); raises `ShardError` for what is no Parquet, or encrypted."""
    from pyarrow import ArrowException, parquet

    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start == _ENCRYPTED_START:
            raise ShardError(path, f"{ENCRYPTED}, and no key is known here", _DECRYPT)
        return parquet.read_schema(path)
    except (ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if "encrypt" in reason.lower() or "decrypt" in reason.lower():
            raise ShardError(path, f"{ENCRYPTED}, and no key is known here", _DECRYPT) from error
        raise ShardError(
            path, f"is not a readable Parquet file: {reason}", "save it again, or copy it again"
        ) from error


def find_image_columns(path: Path, schema: Any) -> list[ImageColumn]:
    """Find the columns that hold images as bytes: by their form, or because their first values are images."""
    from pyarrow import types

    found = []
    for field in schema:
        kind = field.type
        if types.is_struct(kind):
            names = [kind.field(place).name for place in range(kind.num_fields)]
            if "bytes" in names and is_binary(kind.field("bytes").type):
                inner = f"{field.name}.path" if "path" in names else ""
                found.append(ImageColumn(field.name, f"{field.name}.bytes", inner))
        elif is_binary(kind) and _holds_images(path, field.name):
            found.append(ImageColumn(field.name, field.name))
    return found


def choose_bytes_column(path: Path, schema: Any, given: str | None) -> ImageColumn:
    """Choose the column of images: as told, else the only one, else the one called image.

    Raises: `ShardError` where several may be it, or none.
    """
    found = find_image_columns(path, schema)
    if given is not None:
        found = [one for one in found if simplify(one.name) == simplify(given)]
    named = [one for one in found if simplify(one.name) in IMAGE_NAMES]
    if len(found) > 1 and len(named) == 1:
        found = named
    if len(found) > 1:
        names = [one.name for one in found]
        raise ShardError(
            path, f"has {len(names)} columns of images: {', '.join(names)}", f"add --image-column {names[0]}"
        )
    if not found:
        raise ShardError(path, *describe_lack(schema, given))
    return found[0]


def describe_lack(schema: Any, given: str | None) -> tuple[str, str]:
    """Say why a file has no images, and what to do."""
    if numbers := find_number_lists(schema):
        return (
            f"holds its images as lists of numbers (column {numbers[0]}), which are not read",
            'save them as the bytes of PNG files: datasets does it with cast_column("image", datasets.Image())',
        )
    names = ", ".join(schema.names[:20])
    wanted = f"no column {given} with" if given is not None else "no column with"
    return f"has {wanted} the bytes of images; its columns are {names}", "add --image-column NAME"


def find_number_lists(schema: Any) -> list[str]:
    """Find the columns called as those of images are that hold lists of numbers; none beside one of names or bytes."""
    named = [field for field in schema if simplify(field.name) in IMAGE_NAMES]
    lists = [field.name for field in named if _is_nested(field.type)]
    return lists if len(lists) == len(named) else []


def read_class_names(schema: Any) -> dict[str, tuple[str, ...]]:
    """Return the names of the classes of each column that has some (ClassLabel, or a list of it)."""
    found = {}
    for name, feature in _read_features(schema).items():
        inner = feature
        while isinstance(inner, Mapping) and "feature" in inner:  # Sequence(ClassLabel)
            inner = inner["feature"]
        inner = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(inner, Mapping) and inner.get("_type") == "ClassLabel" and isinstance(inner.get("names"), list):
            found[str(name)] = tuple(str(one) for one in inner["names"])
    return found


def is_binary(kind: Any) -> bool:
    """Whether a type is one of bytes."""
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def _read_features(schema: Any) -> Mapping[str, Any]:
    noted = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(noted)["info"]["features"] if noted else {}
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, Mapping) else {}


def _holds_images(path: Path, column: str) -> bool:
    """Whether the first values of a column of bytes begin as images do: text may be stored as bytes, too."""
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            batch = next(file.iter_batches(PEEKED_ROWS, columns=[column], use_threads=False), None)
    except (ArrowException, OSError):
        return False
    starts = [] if batch is None else [bytes(one.as_py()[:512]) for one in batch.column(0) if one.is_valid]
    return any(reader.recognises(start) for start in starts for reader in READERS.values())


def _is_nested(kind: Any) -> bool:
    from pyarrow import types

    while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type
        if types.is_integer(kind) or types.is_floating(kind):
            return True
    return False
