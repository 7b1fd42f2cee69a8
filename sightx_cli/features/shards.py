"""One shard of the store: typed arrays on disk, a row for each image, sealed by length and checksum."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import secrets
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 2
"""Of a shard's files, and part of every address."""
HEADER = "shard.json"
WRITING = ".writing-"
"""How the name of a folder begins that is still being written."""

Array = NDArray[Any]


class Column(NamedTuple):
    """One array of a shard: the shape and type of its row for each image, such as (1280,) and float16."""

    shape: tuple[int, ...]
    dtype: str = "float16"

    @property
    def row_bytes(self) -> int:
        """The size of one image's row."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


Columns = Mapping[str, Column]


@dataclass(frozen=True)
class Shard:
    """The arrays of some images: memory-mapped from a verified folder, or in memory."""

    digests: tuple[str, ...]
    arrays: Mapping[str, Array]

    @property
    def bytes_held(self) -> int:
        """The size of the arrays."""
        return sum(array.nbytes for array in self.arrays.values())

    def narrow(self, columns: Columns) -> Shard:
        """Return the shard as a head with fewer taps reads it: the last columns of each row of features."""
        arrays = {name: self.arrays[name] for name in columns}
        arrays |= {
            name: arrays[name][:, -column.shape[0] :] for name, column in columns.items() if len(column.shape) == 1
        }
        return Shard(self.digests, arrays)

    def serves(self, columns: Columns) -> bool:
        """Tell whether it holds all of these arrays, each at least as precise as requested."""
        return columns.keys() <= self.arrays.keys() and all(
            np.can_cast(column.dtype, self.arrays[name].dtype) for name, column in columns.items()
        )

    def release(self) -> None:
        """Release the memory pages read so far: they stay in the system's file cache, not in this process."""
        for array in self.arrays.values():
            mapped = getattr(array, "_mmap", None)
            if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)


def convert(values: Array, dtype: np.dtype[Any]) -> Array:
    """Return values in another type; values beyond a narrower float's range are clipped to it."""
    if values.dtype == dtype:
        return values
    if dtype.kind == "f" and values.dtype.itemsize > dtype.itemsize:
        limit = float(np.finfo(dtype).max)
        values = np.clip(values, -limit, limit)
    return values.astype(dtype)


class ShardWriter:
    """Writes rows of a shard's arrays by position, through plain files.

    Not through a memory map: on a full disk a write to a map kills the process, a plain write raises OSError.
    """

    def __init__(self, folder: Path, digests: Sequence[str], columns: Columns) -> None:
        self.folder = folder
        self._digests = list(digests)
        self._columns = dict(columns)
        self._files = {name: (folder / f"{name}.bin").open("wb+") for name in columns}

    @classmethod
    @contextlib.contextmanager
    def writing(cls, parent: Path, digests: Sequence[str], columns: Columns, what: str) -> Iterator[ShardWriter]:
        """Write one shard in `parent`; it appears complete if the block succeeds, and leaves nothing if it fails.

        Raises OSError if the disk fails.
        """
        folder = make_writing_folder(parent)
        try:
            with contextlib.closing(cls(folder, digests, columns)) as writer:
                yield writer
                table = {name: writer.finish(name) for name in columns}
                header = {"format": FORMAT_VERSION, "digests": list(digests), "arrays": table, "what": what}
                (folder / HEADER).write_text(json.dumps(header))
                writer.folder = folder.rename(parent / folder.name.removeprefix(WRITING))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def put(self, start: int, outputs: Mapping[str, Array]) -> None:
        """Write the outputs of images `start` … as rows, in the columns' types."""
        for name, file in self._files.items():
            column = self._columns[name]
            file.seek(start * column.row_bytes)
            file.write(convert(outputs[name], np.dtype(column.dtype)).tobytes())

    def finish(self, name: str) -> dict[str, Any]:
        """Finish one array; return its entry in the header: shape, type, length in bytes, checksum."""
        file, column = self._files[name], self._columns[name]
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        shape, dtype = [len(self._digests), *column.shape], np.dtype(column.dtype).str
        checksum = _checksum(file, self._digests, shape, dtype)
        length = file.tell()
        file.close()
        return {"shape": shape, "dtype": dtype, "bytes": length, "crc32": checksum}

    def close(self) -> None:
        """Close what is still open."""
        for file in self._files.values():
            with contextlib.suppress(OSError):
                file.close()


class MemoryWriter:
    """Takes the same rows as `ShardWriter`, into memory."""

    def __init__(self, rows: int, columns: Columns) -> None:
        self.arrays = {name: np.empty((rows, *one.shape), np.dtype(one.dtype)) for name, one in columns.items()}

    def put(self, start: int, outputs: Mapping[str, Array]) -> None:
        """Take the outputs of images `start` … as rows, in the columns' types."""
        for name, array in self.arrays.items():
            rows = convert(outputs[name], array.dtype)
            array[start : start + len(rows)] = rows


Writer = ShardWriter | MemoryWriter


def make_writing_folder(parent: Path) -> Path:
    """Make a folder to write a shard in, with the permissions that the user's umask gives; raises OSError."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / f"{WRITING}{secrets.token_hex(6)}"  # not `mkdtemp`: nobody else could read what it makes
    folder.mkdir()
    return folder


def open_shard(folder: Path) -> Shard:
    """Open and verify a shard; raises ValueError, KeyError, TypeError or OSError if it is damaged."""
    header = json.loads((folder / HEADER).read_text())
    if header["format"] != FORMAT_VERSION:
        raise ValueError(f"format {header['format']}, this version reads {FORMAT_VERSION}")
    arrays: dict[str, Array] = {}
    for name, entry in header["arrays"].items():
        file = folder / f"{name}.bin"
        shape, dtype = tuple(entry["shape"]), np.dtype(entry["dtype"])
        if shape[0] != len(header["digests"]):
            raise ValueError(f"{name} has {shape[0]} rows for {len(header['digests'])} images")
        if dtype.kind not in "fiu":
            raise ValueError(f"{name} holds {dtype}, not numbers")
        if file.stat().st_size != entry["bytes"] or entry["bytes"] != dtype.itemsize * int(np.prod(shape)):
            raise ValueError(f"{name} has {file.stat().st_size} bytes, {entry['bytes']} were written")
        with file.open("rb") as stream:
            if _checksum(stream, header["digests"], entry["shape"], entry["dtype"]) != entry["crc32"]:
                raise ValueError(f"{name}: the checksum does not match")
        arrays[name] = np.memmap(file, dtype=dtype, mode="r", shape=shape)
    return Shard(tuple(header["digests"]), arrays)


def _checksum(stream: BinaryIO, digests: list[str], shape: list[int], dtype: str) -> int:
    """Return the checksum of an array: of its bytes, and of what gives them meaning."""
    checksum = zlib.crc32(json.dumps([digests, shape, dtype]).encode())
    while chunk := stream.read(1 << 22):
        checksum = zlib.crc32(chunk, checksum)
    return checksum
