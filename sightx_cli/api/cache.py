"""`list_cache` and `clear_cache`: the contents of the feature store."""

from __future__ import annotations

from sightx_cli.features.store import FeatureStore
from sightx_cli.results.cache import CacheListing


def list_cache() -> CacheListing:
    """List the contents of the store, newest first."""
    store = FeatureStore()
    return CacheListing(store.folder, tuple(store.list_entries()), store.budget_bytes)


def clear_cache() -> int:
    """Remove everything in the store; returns the bytes freed."""
    return FeatureStore().clear()
