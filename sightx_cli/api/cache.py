"""`list_cache` and `clear_cache`: the contents of the feature store, and what of the images lies elsewhere."""

from __future__ import annotations

from sightx_cli.features.store import FeatureStore
from sightx_cli.features.traces import clear_traces, list_traces
from sightx_cli.results.cache import CacheListing


def list_cache() -> CacheListing:
    """List the contents of the store, newest first, and what runs hold or left elsewhere."""
    store = FeatureStore()
    return CacheListing(store.folder, tuple(store.list_entries()), store.budget_bytes, tuple(list_traces()))


def clear_cache(everywhere: bool = False) -> int:
    """Remove everything in the store, and with `everywhere` what killed processes left; returns the bytes freed."""
    return FeatureStore().clear() + (clear_traces() if everywhere else 0)
