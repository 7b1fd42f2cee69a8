"""Features for one run only, where the store cannot be written: in memory, else in a temporary folder."""

from __future__ import annotations

import errno
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from sightx_cli.features.shards import Columns, MemoryWriter, Shard, ShardWriter, Writer, open_shard
from sightx_cli.filesystem import locking
from sightx_cli.machine import measure_free_memory

SHARE_OF_FREE_MEMORY = 0.4
"""The training that follows needs memory too."""
ASIDE, ASIDE_LOCK = "sightx-aside-", "lock"
"""How the names of the temporary folders begin, and the lock in each: held as long as its process lives."""
UNKNOWN_FREE_BYTES = 1024**3
"""Assumed where the system does not report how much memory is free."""


class Aside:
    """Holds shards for its own lifetime; its temporary folder is deleted with it."""

    def __init__(self) -> None:
        self._shards: dict[tuple[str, str], list[Shard]] = {}
        self._memory_left: int | None = None
        self._folder: Path | None = None

    def has_room(self, needed_bytes: int, on_disk: bool) -> bool:
        """Tell whether this many more bytes fit in the share of memory or, if allowed, in a temporary folder."""
        if needed_bytes <= self._measure_memory():
            return True
        self._memory_left = 0 if on_disk else self._memory_left  # never split between the two
        try:
            return on_disk and needed_bytes * 1.1 <= shutil.disk_usage(self.make_folder()).free
        except OSError:
            return False

    def keep(
        self,
        prefix: str,
        view: str,
        digests: Sequence[str],
        columns: Columns,
        fill: Callable[[Writer], None],
    ) -> Shard:
        """Hold one shard, whose rows `fill` writes; raises OSError if there is no room for it."""
        needed = len(digests) * sum(column.row_bytes for column in columns.values())
        left = self._measure_memory()
        if needed <= left:
            writer = MemoryWriter(len(digests), columns)
            fill(writer)
            self._memory_left = left - needed
            shard = Shard(tuple(digests), writer.arrays)
        else:
            folder = self.make_folder() / prefix / view
            if needed * 1.1 > shutil.disk_usage(self.make_folder()).free:
                raise OSError(errno.ENOSPC, "too little free memory, and too little space in the temporary folder")
            with ShardWriter.writing(folder, digests, columns, "") as on_disk:
                fill(on_disk)
            shard = open_shard(on_disk.folder)
        self._shards.setdefault((prefix, view), []).append(shard)
        return shard

    def find_shards(self, prefix: str, view: str) -> list[Shard]:
        """Return the shards held for a prefix and view."""
        return list(self._shards.get((prefix, view), ()))

    def make_folder(self) -> Path:
        """Return the temporary folder, created on first use, readable by this user only; raises OSError."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix=ASIDE))
            closing = ExitStack()
            closing.callback(shutil.rmtree, self._folder, ignore_errors=True)
            closing.enter_context(locking(self._folder / ASIDE_LOCK))
            weakref.finalize(self, closing.close)
        return self._folder

    def _measure_memory(self) -> int:
        if self._memory_left is None:
            free = measure_free_memory()
            self._memory_left = int((UNKNOWN_FREE_BYTES if free is None else free) * SHARE_OF_FREE_MEMORY)
        return self._memory_left
