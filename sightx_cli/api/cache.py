"""`list_cache` and `clear_cache`: what the store of prefix outputs holds."""

from __future__ import annotations

from sightx_cli.features.store import FeatureStore
from sightx_cli.results.cache import CacheListing


def list_cache() -> CacheListing:
    """List what the store holds, the newest first."""
    store = FeatureStore()
    return CacheListing(store.folder, tuple(store.list_entries()), store.budget_bytes)


def clear_cache() -> int:
    """Remove all that the store holds; returns the bytes freed."""
    return FeatureStore().clear()
