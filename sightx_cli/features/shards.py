"""One shard of the store: the outputs of some images as arrays on disk, sealed by length and checksum."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT_VERSION = 1
HEADER = "shard.json"

Half = NDArray[np.float16]


@dataclass(frozen=True)
class Shard:
    """One verified shard: its folder, the images it holds in row order, and its arrays, memory-mapped."""

    folder: Path
    digests: tuple[str, ...]
    arrays: Mapping[str, Half]

    def narrow(self, shapes: Mapping[str, tuple[int, ...]]) -> Shard:
        """Return the shard as one of fewer taps sees it: the last columns of each output that is a row of features."""
        arrays = {name: self.arrays[name] for name in shapes}
        arrays |= {name: arrays[name][:, -shape[0] :] for name, shape in shapes.items() if len(shape) == 1}
        return Shard(self.folder, self.digests, arrays)

    def release(self) -> None:
        """Give the pages read so far back to the system: they stay in its file cache, not in this process."""
        for array in self.arrays.values():
            mapped = getattr(array, "_mmap", None)
            if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)


class ShardWriter:
    """Writes rows of a shard's arrays by position, in half precision, through plain files.

    Not through a memory map: on a full disk a write to a map kills the process, a plain write raises OSError.
    """

    def __init__(self, folder: Path, rows: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._folder = folder
        self._rows = rows
        self._shapes = dict(shapes)
        self._files = {name: (folder / f"{name}.f16").open("wb+") for name in shapes}

    def put(self, start: int, outputs: Mapping[str, NDArray[np.float32]]) -> None:
        """Write the outputs of images `start` … as rows, clipped to what half precision holds."""
        for name, file in self._files.items():
            limit = float(np.finfo(np.float16).max)
            rows = np.clip(outputs[name], -limit, limit).astype(np.float16)
            file.seek(start * 2 * int(np.prod(self._shapes[name])))
            file.write(rows.tobytes())

    def finish(self, name: str) -> dict[str, Any]:
        """Finish one array; return its entry in the header: shape, length in bytes, checksum."""
        file = self._files[name]
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        checksum, length = 0, 0
        while chunk := file.read(1 << 22):
            checksum, length = zlib.crc32(chunk, checksum), length + len(chunk)
        file.close()
        return {"shape": [self._rows, *self._shapes[name]], "bytes": length, "crc32": checksum}

    def close(self) -> None:
        """Close what is still open."""
        for file in self._files.values():
            with contextlib.suppress(OSError):
                file.close()


def open_shard(folder: Path) -> Shard:
    """Open and verify a shard; raises ValueError, KeyError, TypeError or OSError when it is not sound."""
    header = json.loads((folder / HEADER).read_text())
    if header["format"] != FORMAT_VERSION:
        raise ValueError(f"format {header['format']}, this version reads {FORMAT_VERSION}")
    arrays: dict[str, Half] = {}
    for name, entry in header["arrays"].items():
        file = folder / f"{name}.f16"
        shape = tuple(entry["shape"])
        if shape[0] != len(header["digests"]):
            raise ValueError(f"{name} has {shape[0]} rows for {len(header['digests'])} images")
        if file.stat().st_size != entry["bytes"] or entry["bytes"] != 2 * int(np.prod(shape)):
            raise ValueError(f"{name} has {file.stat().st_size} bytes, {entry['bytes']} were written")
        with file.open("rb") as stream:
            checksum = 0
            while chunk := stream.read(1 << 22):
                checksum = zlib.crc32(chunk, checksum)
        if checksum != entry["crc32"]:
            raise ValueError(f"{name} has another checksum than was written")
        arrays[name] = np.memmap(file, dtype=np.float16, mode="r", shape=shape)
    return Shard(folder, tuple(header["digests"]), arrays)
