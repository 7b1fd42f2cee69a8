"""What names an image that is no file of its own, and the one function that reads its bytes.

An image in a shard is `train-0000.tar::cats/12.jpg` and `train.parquet::17/12.jpg` (the row, from 0) for people, in
tables and predictions. Within the program the path says where the bytes lie, too: with `::@1536+4711/cats/12.jpg` or
`::@17@image.bytes/12.jpg` any process reads any image, in any order, without an index.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote, unquote

from sightx_cli.data.readers.base import ImageFileError

MARK = "::"
_PACKED = re.compile(r"(.+?\.(?:tar|parquet|pq))::(.+)", re.IGNORECASE | re.DOTALL)
_IN_TAR = re.compile(r"@(\d+)\+(\d+)/")
_IN_PARQUET = re.compile(r"@(\d+)@([^/]*)(?:/|$)")
_ROW = re.compile(r"(\d+)(?:/|$)")


def refer_to_member(offset: int, size: int, member: str) -> str:
    """Return what follows the mark for a tar's member: where its bytes begin, how many they are, its name."""
    return f"@{offset}+{size}/{member}"


def refer_to_row(row: int, column: str, name: str = "") -> str:
    """Return what follows the mark for a row of Parquet: its number from 0, the column of bytes, the file's name."""
    return f"@{row}@{quote(column, safe='.')}/{name}"


def is_packed(path: str | Path) -> bool:
    """Whether a path that is no file may be an image in a shard."""
    text = str(path)
    return MARK in text and _PACKED.fullmatch(text) is not None


def name_for_people(path: str) -> str:
    """Return a path without where its bytes lie: x.tar::@512+99/a.jpg is x.tar::a.jpg; any other as it is."""
    found = _PACKED.fullmatch(path) if MARK in path else None
    if found is None:
        return path
    shard, inner = found[1], found[2]
    if row := _IN_PARQUET.match(inner):
        rest = inner[row.end() :]
        return f"{shard}{MARK}{row[1]}" + (f"/{rest}" if rest else "")
    return f"{shard}{MARK}{_IN_TAR.sub('', inner, count=1)}"


def read_packed(path: str | Path) -> bytes:
    """Return the bytes of an image in a shard; raises `ImageFileError` where they cannot be read."""
    text = str(path)
    found = _PACKED.fullmatch(text)
    if found is None:
        raise ImageFileError(path, "is no image in a shard")
    shard, inner = found[1], found[2]
    try:
        data = _read_member(shard, inner, text) if shard.lower().endswith(".tar") else _read_row(shard, inner, text)
    except OSError as error:
        raise ImageFileError(path, f"cannot be read from its shard: {error.strerror or error}") from error
    if not data:
        raise ImageFileError(path, "is empty (0 bytes)", "pack it again from its source")
    return data


def _read_member(shard: str, inner: str, text: str) -> bytes:
    place = _IN_TAR.match(inner)
    if place is None:
        from sightx_cli.data.packed.tar_index import find_member

        offset, size = find_member(shard, inner)
    else:
        offset, size = int(place[1]), int(place[2])
    with open(shard, "rb", buffering=0) as file:  # noqa: PTH123 - each image of a set comes by here, in any order
        file.seek(offset)
        data = file.read(size)
    if len(data) < size:
        raise ImageFileError(text, "is truncated: its shard ends before the image does", "copy the shard again")
    return data


def _read_row(shard: str, inner: str, text: str) -> bytes:
    from sightx_cli.data.packed.parquet_rows import find_bytes_column, read_cell

    if place := _IN_PARQUET.match(inner):
        row, column = int(place[1]), unquote(place[2])
    elif place := _ROW.match(inner):
        row, column = int(place[1]), find_bytes_column(Path(shard))
    else:
        raise ImageFileError(text, "names no row", f"name one by its number, from 0: {os.path.basename(shard)}::0")  # noqa: PTH119
    return read_cell(shard, row, column, text)
