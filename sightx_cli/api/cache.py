"""`list_cache` and `clear_cache`: the contents of the feature store."""

from __future__ import annotations

from datetime import datetime

from sightx_cli.features.store import FeatureStore
from sightx_cli.results.cache import CacheEntry, CacheListing


def list_cache() -> CacheListing:
    """List the contents of the store, newest first."""
    store = FeatureStore()
    entries = [
        CacheEntry(e.name, e.bytes_on_disk, datetime.fromtimestamp(e.last_used), e.what) for e in store.list_entries()
    ]
    return CacheListing(store.folder, entries, sum(e.bytes_on_disk for e in entries), store.budget_bytes)


def clear_cache() -> int:
    """Remove everything in the store; returns the bytes freed."""
    return FeatureStore().clear()
