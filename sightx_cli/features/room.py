"""Room for the features of a fit: where they go, and whether every process of the fit finds them there."""

from __future__ import annotations

from collections.abc import Sequence

from sightx_cli.features.extraction import Lookup
from sightx_cli.features.store import FeatureStore
from sightx_cli.processes import Processes
from sightx_cli.progress import Listener


def reserve_room(store: FeatureStore, lookups: Sequence[Lookup], listener: Listener) -> bool:
    """Decide where the missing features go, and report anything unusual; False if they fit nowhere."""
    needed = sum(lookup.needed_bytes for lookup in lookups)
    has_room = store.reserve(needed, sum(lookup.found_bytes for lookup in lookups))
    store.tell(listener)
    if has_room and not store.is_short:
        return True
    then = "they are held for this run only" if has_room else "they are recomputed each epoch"
    listener.warn(
        f"the frozen layers' features need {needed / 1e9:.1f} GB, more than the cache's budget or the disk "
        f"allows: {then} (SIGHTX_CACHE moves the cache, SIGHTX_CACHE_BYTES enlarges it)"
    )
    return has_room


def agree_on_room(store: FeatureStore, has_room: bool, processes: Processes, listener: Listener) -> bool:
    """Tell whether features are cached where every process finds them; says why not, and what is done."""
    if processes.is_alone:
        return has_room
    is_shared = not store.is_short and store.blocked is None
    if has_room and not is_shared:
        listener.warn("features held for this run are not shared by several processes: they are recomputed each epoch")
    return all(processes.gather(has_room and is_shared))
