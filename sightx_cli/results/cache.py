"""The result of `cache list`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class CacheEntry:
    """What one prefix and view hold on disk."""

    name: str
    bytes_on_disk: int
    last_used: datetime
    what: str


@dataclass(frozen=True)
class CacheListing:
    """All that is kept, and the budget."""

    folder: Path
    entries: tuple[CacheEntry, ...]
    """The most recently used first."""
    budget_bytes: int
    elsewhere: tuple[CacheEntry, ...] = ()
    """What lies outside the store, by its path: held aside by a run, or left by a killed process."""

    @property
    def total_bytes(self) -> int:
        """What all entries hold together."""
        return sum(entry.bytes_on_disk for entry in self.entries)

    def to_json(self) -> dict[str, Any]:
        """Return the listing as JSON, times in ISO form."""
        listed = {
            key: [
                {"name": one.name, "bytes": one.bytes_on_disk, "last_used": one.last_used, "what": one.what}
                for one in entries
            ]
            for key, entries in (("entries", self.entries), ("elsewhere", self.elsewhere))
        }
        return to_object({**vars(self), "total_bytes": self.total_bytes, **listed})
