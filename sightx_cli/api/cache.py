"""`list_cache` and `clear_cache`: what the store of prefix outputs holds."""

from __future__ import annotations

from datetime import datetime

from sightx_cli.features.store import FeatureStore
from sightx_cli.results.cache import CacheEntry, CacheListing


def list_cache() -> CacheListing:
    """List what the store holds, the newest first."""
    store = FeatureStore()
    entries = [
        CacheEntry(e.name, e.bytes_on_disk, datetime.fromtimestamp(e.last_used), e.what) for e in store.list_entries()
    ]
    return CacheListing(store.folder, entries, sum(e.bytes_on_disk for e in entries), store.budget_bytes)


def clear_cache() -> int:
    """Remove all that the store holds; returns the bytes freed."""
    return FeatureStore().clear()
