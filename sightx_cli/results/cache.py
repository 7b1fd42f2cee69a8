"""The result of `cache list`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class CacheEntry:
    """What one prefix and view hold on disk."""

    name: str
    bytes_on_disk: int
    last_used: datetime
    what: str


@dataclass(frozen=True)
class CacheListing:
    """The contents of the cache, and its budget."""

    folder: Path
    entries: tuple[CacheEntry, ...]
    """The most recently used first."""
    budget_bytes: int

    @property
    def total_bytes(self) -> int:
        """What all entries hold together."""
        return sum(entry.bytes_on_disk for entry in self.entries)

    def to_json(self) -> dict[str, Any]:
        """Return the listing as JSON, times in ISO form."""
        entries = [
            {"name": e.name, "bytes": e.bytes_on_disk, "last_used": e.last_used.isoformat(), "what": e.what}
            for e in self.entries
        ]
        return {
            "folder": str(self.folder.absolute()),
            "total_bytes": self.total_bytes,
            "budget_bytes": self.budget_bytes,
            "entries": entries,
        }
