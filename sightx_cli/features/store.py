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
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sightx_cli.errors import UsageError
from sightx_cli.features.shards import FORMAT_VERSION, HEADER, Shard, ShardWriter, open_shard

BUDGET_BYTES = 20 * 1024**3
"""How much the store may hold, `SIGHTX_CACHE_BYTES` overrides: some 600,000 maps of 80 × 14 × 14, or 4 million
embeddings."""


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
            if folder.name.startswith(".") or not (folder / HEADER).exists():
                continue
            try:
                shards.append(open_shard(folder))
            except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
                if not (folder / HEADER).exists():
                    continue  # not damaged: another process made room
                self.dropped.append(f"kept outputs {folder.name} are damaged ({error}): dropped, computed again")
                _remove(folder)
                continue
            with contextlib.suppress(OSError):  # a store that may only be read serves too
                os.utime(folder / HEADER)
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
                (temporary / HEADER).write_text(json.dumps(header))
                temporary.rename(parent / temporary.name.removeprefix(".writing-"))
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def make_room(self, needed_bytes: int) -> None:
        """Remove the shards and graphs least recently used until this many more bytes fit the budget."""
        units = [(_last_used(folder), _bytes_under(folder), folder) for folder in self._shard_folders()]
        units += [(_modified(graph), _graph_bytes(graph), graph) for graph in self._graph_files()]
        total = sum(size for _, size, _ in units)
        for _, size, path in sorted(units):
            if total + needed_bytes <= self.budget_bytes:
                return
            total -= size
            _remove(path)

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
            if folder.name.startswith(".writing-") and _is_abandoned(_last_written(folder)):
                shutil.rmtree(folder, ignore_errors=True)
        return [f for f in folders if not f.name.startswith(".") and (f / HEADER).exists()]

    def _graph_files(self) -> list[Path]:
        """Return the converted graphs (.xml); remove what killed processes left half-written."""
        try:
            files = sorted(self.graphs.iterdir())
        except OSError:
            return []
        for file in files:
            if file.name.startswith(".") and _is_abandoned(_modified(file)):
                file.unlink(missing_ok=True)
        return [file for file in files if file.suffix == ".xml" and not file.name.startswith(".")]


def _remove(path: Path) -> None:
    """Remove a shard or a graph, its header first: without it, nobody takes the rest for whole."""
    if path.suffix == ".xml":
        for file in (path, path.with_suffix(".bin")):
            file.unlink(missing_ok=True)
        return
    with contextlib.suppress(OSError):
        (path / HEADER).unlink()
    shutil.rmtree(path, ignore_errors=True)


def _graph_bytes(graph: Path) -> int:
    """Return the size of a graph's two files."""
    total = 0
    for file in (graph, graph.with_suffix(".bin")):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def _is_abandoned(last_written: float) -> bool:
    """Tell whether something half-written was untouched for an hour: longer than any batch takes."""
    return 0 < last_written < time.time() - 3600


def _last_used(folder: Path) -> float:
    """Return when a shard was last used, in seconds since the epoch."""
    return _modified(folder / HEADER)


def _modified(path: Path) -> float:
    """Return when a path was last changed, in seconds since the epoch; 0 when another process removed it."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _describe(folder: Path) -> str:
    """Return what a shard says of itself; a damaged one, which its next reader drops, says nothing."""
    try:
        return str(json.loads((folder / HEADER).read_text())["what"])
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
