"""The store of prefix outputs: content-addressed, memory-mapped, half precision, safe to kill and to share.

    <store>/outputs/<prefix>/<view>/<shard>/shard.json, <output>.f16 …
    <store>/graphs/<prefix>.xml, .bin

A shard holds the outputs of some images, named by the digest of their bytes, under one prefix (network, weights, cut)
and one view. It is written under a temporary name and renamed when whole, so a kill leaves no half shard. Length and
checksum are verified when it is opened; a shard that fails is dropped. Two processes that compute the same images make
two shards, and either serves.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.errors import UsageError

FORMAT_VERSION = 1
BUDGET_BYTES = 20 * 1024**3
"""How much the store may hold, `SIGHTX_CACHE_BYTES` overrides: some 600,000 maps of 80 × 14 × 14, or 4 million
embeddings."""

Half = NDArray[np.float16]


def default_store_folder() -> Path:
    """Return where the store lies: `SIGHTX_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("SIGHTX_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "sightx"


def default_budget_bytes() -> int:
    """Return how much the store may hold: `SIGHTX_CACHE_BYTES`, else BUDGET_BYTES; raises UsageError on no number."""
    chosen = os.environ.get("SIGHTX_CACHE_BYTES", "").strip()
    if not chosen:
        return BUDGET_BYTES
    if not chosen.isdecimal():
        raise UsageError(
            f'SIGHTX_CACHE_BYTES is "{chosen}": it takes a number of bytes', "such as 5000000000 for 5 GB, or unset it"
        )
    return int(chosen)


def digest_key(parts: Mapping[str, object]) -> str:
    """Return a short hexadecimal address of a JSON-able description."""
    text = json.dumps({"format": FORMAT_VERSION, **parts}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Shard:
    """One verified shard: its folder, the images it holds in row order, and its arrays, memory-mapped."""

    folder: Path
    digests: tuple[str, ...]
    arrays: Mapping[str, Half]

    def release(self) -> None:
        """Give the pages read so far back to the system: they stay in its file cache, not in this process."""
        for array in self.arrays.values():
            mapped = getattr(array, "_mmap", None)
            if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
                mapped.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True)
class StoreEntry:
    """What one prefix and view hold on disk."""

    name: str
    bytes_on_disk: int
    last_used: float
    what: str


class OutputStore:
    """Keeps and finds shards under one folder, within a byte budget (least recently used shards go first)."""

    def __init__(self, folder: Path | None = None, budget_bytes: int | None = None) -> None:
        self.folder = folder or default_store_folder()
        self.budget_bytes = default_budget_bytes() if budget_bytes is None else budget_bytes
        self.dropped: list[str] = []
        """One line for each damaged shard that was dropped; the caller says them."""

    @property
    def graphs(self) -> Path:
        """The folder of the converted graphs."""
        return self.folder / "graphs"

    def find_shards(self, prefix: str, view: str) -> list[Shard]:
        """Return the sound shards of a prefix and view, marked as used now; drop those that are not sound."""
        shards = []
        for folder in _folders_in(self.folder / "outputs" / prefix / view):
            if folder.name.startswith(".") or not (folder / "shard.json").exists():
                continue
            try:
                shards.append(_open_shard(folder))
            except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
                if not (folder / "shard.json").exists():
                    continue  # not damaged: another process made room
                self.dropped.append(f"kept outputs {folder.name} are damaged ({error}): dropped, computed again")
                _remove(folder)
                continue
            with contextlib.suppress(OSError):  # a store that may only be read serves too
                os.utime(folder / "shard.json")
        return shards

    def has_room(self, needed_bytes: int) -> bool:
        """Tell whether so many more bytes fit the budget (older shards may go) and the disk, a tenth to spare.

        A folder that cannot be made has room for nothing.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return False
        return needed_bytes <= self.budget_bytes and needed_bytes * 1.1 <= shutil.disk_usage(self.folder).free

    @contextlib.contextmanager
    def write_shard(
        self, prefix: str, view: str, digests: Sequence[str], shapes: Mapping[str, tuple[int, ...]], what: str
    ) -> Iterator[ShardWriter]:
        """Write one shard; it appears whole when the block ends well, and leaves nothing when it does not."""
        parent = self.folder / "outputs" / prefix / view
        parent.mkdir(parents=True, exist_ok=True)
        needed = sum(2 * len(digests) * int(np.prod(shape)) for shape in shapes.values())
        self.make_room(needed)
        temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=parent))
        try:
            with contextlib.closing(ShardWriter(temporary, len(digests), shapes)) as writer:
                yield writer
                table = {name: writer.finish(name) for name in shapes}
                header = {"format": FORMAT_VERSION, "digests": list(digests), "arrays": table, "what": what}
                (temporary / "shard.json").write_text(json.dumps(header))
                temporary.rename(parent / temporary.name.removeprefix(".writing-"))
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def make_room(self, needed_bytes: int) -> None:
        """Remove the shards least recently used until this many more bytes fit the budget."""
        shards = sorted((_last_used(folder), _bytes_under(folder), folder) for folder in self._shard_folders())
        total = sum(size for _, size, _ in shards)
        for _, size, folder in shards:
            if total + needed_bytes <= self.budget_bytes:
                return
            total -= size
            _remove(folder)

    def list_entries(self) -> list[StoreEntry]:
        """List what is kept, one entry per prefix and view, the newest first."""
        entries = []
        by_view: dict[Path, list[Path]] = {}
        for folder in self._shard_folders():
            by_view.setdefault(folder.parent, []).append(folder)
        for view, folders in by_view.items():
            used = max(map(_last_used, folders))
            name = f"{view.parent.name[:8]}/{view.name[:8]}"
            entries.append(StoreEntry(name, sum(map(_bytes_under, folders)), used, _describe(folders[0])))
        graphs = _bytes_under(self.graphs)
        if graphs:
            entries.append(StoreEntry("graphs", graphs, self.graphs.stat().st_mtime, "converted graphs"))
        return sorted(entries, key=lambda entry: -entry.last_used)

    def clear(self) -> int:
        """Remove everything kept; return the bytes freed."""
        freed = 0
        for folder in (self.folder / "outputs", self.graphs):
            freed += _bytes_under(folder)
            shutil.rmtree(folder, ignore_errors=True)
        return freed

    def _shard_folders(self) -> list[Path]:
        """Return the folders of all whole shards; remove what killed processes left half-written."""
        views = [view for prefix in _folders_in(self.folder / "outputs") for view in _folders_in(prefix)]
        folders = [folder for view in views for folder in _folders_in(view)]
        for folder in folders:
            # Untouched for an hour: longer than any batch takes.
            if folder.name.startswith(".writing-") and 0 < _last_written(folder) < time.time() - 3600:
                shutil.rmtree(folder, ignore_errors=True)
        return [f for f in folders if not f.name.startswith(".") and (f / "shard.json").exists()]


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


def _open_shard(folder: Path) -> Shard:
    """Open and verify a shard; raises ValueError, KeyError, TypeError or OSError when it is not sound."""
    header = json.loads((folder / "shard.json").read_text())
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


def _remove(folder: Path) -> None:
    """Remove a shard, its header first: without it, nobody takes the rest for a shard."""
    with contextlib.suppress(OSError):
        (folder / "shard.json").unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _last_used(folder: Path) -> float:
    """Return when a shard was last used, in seconds since the epoch."""
    return _modified(folder / "shard.json")


def _modified(path: Path) -> float:
    """Return when a path was last changed, in seconds since the epoch; 0 when another process removed it."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _describe(folder: Path) -> str:
    """Return what a shard says of itself; a damaged one, which its next reader drops, says nothing."""
    try:
        return str(json.loads((folder / "shard.json").read_text())["what"])
    except (ValueError, KeyError, TypeError, OSError):
        return "damaged"


def _last_written(folder: Path) -> float:
    """Return when a folder or a file in it was last changed, in seconds since the epoch."""
    try:
        return max(map(_modified, [folder, *folder.iterdir()]))
    except OSError:
        return 0.0


def _folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted; none where it is not there (any more)."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


def _bytes_under(folder: Path) -> int:
    """Return the size of the files below a folder; files that vanish meanwhile (another process) count nothing."""
    total = 0
    for base, _, names in os.walk(folder):  # not rglob, which raises when a folder vanishes
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(base) / name).stat().st_size
    return total
