"""The store of features: content-addressed, memory-mapped, typed, safe to kill and to share.

    <store>/outputs/<prefix>/<view>/<shard>/shard.json, <output>.bin …
    <store>/graphs/<prefix>.xml, .bin

A shard holds the outputs of some images, named by the digest of their bytes, under one prefix (network, weights, cut)
and one view. It is written under a temporary name and renamed when complete, so a kill leaves no partial shard. Length
and checksum are verified when it is opened; a damaged shard is discarded. Two processes that compute the same images
make two shards, and either serves. What does not fit in the folder is held aside (`features.aside`) for this run.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sightx_cli.errors import UsageError
from sightx_cli.features.aside import Aside
from sightx_cli.features.disk import (
    describe_shard,
    is_whole,
    last_changed,
    last_used,
    list_folders,
    list_graphs,
    list_shards,
    measure_graph,
    remove_unit,
)
from sightx_cli.features.shards import (
    HEADER,
    WRITING,
    Column,
    Columns,
    Shard,
    ShardWriter,
    Writer,
    make_writing_folder,
    open_shard,
)
from sightx_cli.filesystem import choose_cache_folder, measure_folder
from sightx_cli.progress import Listener
from sightx_cli.results.cache import CacheEntry

if TYPE_CHECKING:
    from sightx_cli.features.workers import FeatureWorkers

BUDGET_BYTES = 20 * 1024**3
"""How much the store may hold (`SIGHTX_CACHE_BYTES` overrides it): some 600,000 maps of 80 × 14 × 14, or 4 million
rows of features."""

MOST_DIGITS = 18
"""Of a budget: below 2^63 bytes."""

TEXT = "text"
"""The one array of a text's shard: its compressed bytes."""


def default_budget_bytes() -> int:
    """Return how much the store may hold: `SIGHTX_CACHE_BYTES`, else BUDGET_BYTES; raises UsageError for no number."""
    chosen = os.environ.get("SIGHTX_CACHE_BYTES", "").strip()
    if not chosen:
        return BUDGET_BYTES
    if not chosen.isdecimal() or len(chosen) > MOST_DIGITS:
        raise UsageError(
            f'SIGHTX_CACHE_BYTES is "{chosen:.40}": it takes a number of bytes',
            "such as 5000000000 for 5 GB, or unset it",
        )
    return int(chosen)


class FeatureStore:
    """Keeps and finds shards under one folder, within a byte budget (least recently used shards go first)."""

    def __init__(self, folder: Path | None = None, budget_bytes: int | None = None) -> None:
        self.folder = folder or choose_cache_folder()
        self.budget_bytes = default_budget_bytes() if budget_bytes is None else budget_bytes
        self.warnings: list[str] = []
        """One line for each damaged shard that was dropped, and one where the folder cannot be written; see `tell`."""
        self.aside = Aside()
        self.blocked: str | None = None
        """Why nothing can be written in the folder, in the system's words; None as long as no write has failed."""
        self._uses_aside = False
        self.workers: FeatureWorkers | None = None
        """Who computes what it lacks; None: this process."""

    @property
    def graphs(self) -> Path:
        """The folder of the converted graphs."""
        return self.folder / "graphs"

    def place_graph(self, name: str) -> Path | None:
        """Return where a graph is or can be written; None if neither the store nor the temporary folder is writable.

        With a budget of 0 the store keeps no new graph.
        """
        graph = self.graphs / name
        if graph.is_file() or (self.budget_bytes > 0 and self.is_writable()):
            return graph
        try:
            return self.aside.make_folder() / name
        except OSError:
            return None

    def find_shards(self, prefix: str, view: str) -> list[Shard]:
        """Return the intact shards of a prefix and view, marked as used now; discard damaged ones."""
        shards = self.aside.find_shards(prefix, view)
        for folder in list_folders(self.folder / "outputs" / prefix / view):
            if not is_whole(folder):
                continue
            try:
                shards.append(open_shard(folder))
            except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
                if not (folder / HEADER).exists():
                    continue  # not damaged: another process made room
                self.warnings.append(f"cached features {folder.name} are damaged ({error}): discarded and recomputed")
                remove_unit(folder)
                continue
            with contextlib.suppress(OSError):  # a read-only store works too
                os.utime(folder / HEADER)
        return shards

    def list_digests(self, view: str) -> set[str]:
        """List the images with anything cached in a view, under any prefix; reads headers only."""
        found: set[str] = set()
        for prefix in list_folders(self.folder / "outputs"):
            for folder in filter(is_whole, list_folders(prefix / view)):
                with contextlib.suppress(ValueError, KeyError, TypeError, OSError):  # reported when it is opened
                    found.update(json.loads((folder / HEADER).read_text())["digests"])
        return found

    def is_writable(self) -> bool:
        """Tell whether something can be written in the folder, by trying; if not, `blocked` says why."""
        if self.blocked is None:
            try:
                make_writing_folder(self.folder).rmdir()
            except OSError as error:
                self.block(error)
        return self.blocked is None

    def block(self, error: OSError) -> None:
        """Stop writing to the folder, and say why, once."""
        if self.blocked is None:
            self.blocked = error.strerror or str(error)
            self.warnings.append(
                f"the cache {self.folder} cannot be written ({self.blocked}): features are held for this run "
                "only (SIGHTX_CACHE moves it; fit --no-cache turns it off)"
            )

    def tell(self, listener: Listener) -> None:
        """Pass on what the user should know about the store, each line once."""
        for line in self.warnings:
            listener.warn(line)
        self.warnings.clear()

    @property
    def is_short(self) -> bool:
        """Whether the last reservation goes elsewhere although the folder is writable: it would not fit."""
        return self._uses_aside and self.blocked is None

    def has_room(self, needed_bytes: int, found_bytes: int = 0) -> bool:
        """Tell whether this many more bytes fit the budget and the disk, with a tenth to spare.

        Older shards may be removed, but not the `found_bytes` needed at the same time.
        """
        if needed_bytes == 0:
            return True
        if not self.is_writable():
            return False
        free = shutil.disk_usage(self.folder).free
        return needed_bytes + found_bytes <= self.budget_bytes and needed_bytes * 1.1 <= free

    def reserve(self, needed_bytes: int, found_bytes: int = 0) -> bool:
        """Decide where `keep` puts this many new bytes; False if they fit nowhere.

        In the store; failing that, in memory; if the disk refuses and memory is short, in a temporary folder. The
        budget is the user's limit: what exceeds it goes to no other disk either.
        """
        self._uses_aside = not self.has_room(needed_bytes, found_bytes)
        return not self._uses_aside or self.aside.has_room(
            needed_bytes, on_disk=needed_bytes + found_bytes <= self.budget_bytes
        )

    def keep(
        self,
        prefix: str,
        view: str,
        digests: Sequence[str],
        columns: Columns,
        what: str,
        fill: Callable[[Writer], None],
    ) -> Shard:
        """Keep one shard, whose rows `fill` writes; it is called again if the disk fails midway.

        Raises OSError if there is no room for it at all.
        """
        if not self._uses_aside and self.blocked is None:
            try:
                with self.write_shard(prefix, view, digests, columns, what) as writer:
                    fill(writer)
            except OSError as error:
                self.block(error)
            else:
                with contextlib.suppress(OSError):  # another process may have made room meanwhile
                    return open_shard(writer.folder)
        return self.aside.keep(prefix, view, digests, columns, fill)

    @contextlib.contextmanager
    def write_shard(
        self, prefix: str, view: str, digests: Sequence[str], columns: Columns, what: str
    ) -> Iterator[ShardWriter]:
        """Write one shard; it appears complete if the block succeeds, and leaves nothing if it fails."""
        parent = self.folder / "outputs" / prefix / view
        self.evict_oldest(len(digests) * sum(column.row_bytes for column in columns.values()))
        with ShardWriter.writing(parent, digests, columns, what) as writer:
            yield writer

    def keep_text(self, address: str, text: str, what: str) -> None:
        """Cache a text, if there is room for it."""
        values = np.frombuffer(zlib.compress(text.encode()), np.uint8)
        if self.has_room(values.nbytes):
            columns = {TEXT: Column(values.shape, "uint8")}
            try:
                with self.write_shard(address, address, [address], columns, what) as writer:
                    writer.put(0, {TEXT: values[None]})
            except OSError as error:
                self.block(error)

    def find_text(self, address: str) -> str | None:
        """Find a cached text; None if there is none."""
        for shard in self.find_shards(address, address):
            return zlib.decompress(shard.arrays[TEXT][0].tobytes()).decode()
        return None

    def evict_oldest(self, needed_bytes: int) -> None:
        """Remove the shards and graphs least recently used until this many more bytes fit the budget."""
        units = [(last_used(folder), measure_folder(folder), folder) for folder in list_shards(self.folder / "outputs")]
        units += [(last_changed(graph), measure_graph(graph), graph) for graph in list_graphs(self.graphs)]
        total = sum(size for _, size, _ in units)
        for _, size, path in sorted(units):
            if total + needed_bytes <= self.budget_bytes:
                return
            total -= size
            remove_unit(path)

    def list_entries(self) -> list[CacheEntry]:
        """List what is kept, one entry per prefix and view, the newest first."""
        entries = []
        by_view: dict[Path, list[Path]] = {}
        for folder in list_shards(self.folder / "outputs"):
            by_view.setdefault(folder.parent, []).append(folder)
        for view, folders in by_view.items():
            used = datetime.fromtimestamp(max(map(last_used, folders)))
            name = f"{view.parent.name[:8]}/{view.name[:8]}"
            entries.append(CacheEntry(name, sum(map(measure_folder, folders)), used, describe_shard(folders[0])))
        outputs = self.folder / "outputs"
        if (rest := measure_folder(outputs) - sum(entry.bytes_on_disk for entry in entries)) > 0:
            written = datetime.fromtimestamp(last_changed(outputs))
            entries.append(CacheEntry("unfinished", rest, written, "being written, or left by a killed process"))
        graphs = measure_folder(self.graphs)
        if graphs:
            entries.append(
                CacheEntry("graphs", graphs, datetime.fromtimestamp(self.graphs.stat().st_mtime), "converted graphs")
            )
        return sorted(entries, key=lambda entry: entry.last_used, reverse=True)

    def clear(self) -> int:
        """Remove everything cached, and what was left half-written; return the bytes freed."""
        freed = 0
        for folder in (self.folder / "outputs", self.graphs, *self.folder.glob(f"{WRITING}*")):
            freed += measure_folder(folder)
            shutil.rmtree(folder, ignore_errors=True)
        return freed
