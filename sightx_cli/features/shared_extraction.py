"""Features that several processes compute together: each its part of the images, into the store that all read."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence

from sightx_cli.features.extraction import Features, Lookup
from sightx_cli.features.store import FeatureStore
from sightx_cli.processes import Processes
from sightx_cli.progress import Listener

PATIENCE_SECONDS = 60.0
"""What one machine writes, another sees on a network disk within so long: NFS looks a folder up again after at most 60
seconds (nfs(5), acdirmax)."""
LOOK_EVERY_SECONDS = 0.5


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


def extract_parts(
    lookups: Sequence[Lookup],
    extract: Sequence[Callable[[Lookup], Features]],
    find: Callable[[], list[Lookup]],
    processes: Processes,
) -> list[Lookup]:
    """Compute this process's part of what each lookup lacks; return the lookups again when all processes have done so.

    What another has not been able to keep is still missing in them. Raises OSError in all where one had no room.
    """
    failed = None
    try:
        for lookup, run in zip(lookups, extract, strict=True):
            mine = processes.split(list(lookup.missing))
            if mine:
                run(Lookup(mine, lookup.columns, (), {digest: lookup.missing[digest] for digest in mine}))
    except OSError as error:
        failed = error
    if any(processes.gather(failed is not None)):
        raise failed or OSError(errno.ENOSPC, "of another process")
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = find()
        if not any(lookup.missing for lookup in found) or time.monotonic() > until:
            return found
        time.sleep(LOOK_EVERY_SECONDS)
