"""Features that several processes compute together: each its part of the images, into the store that all read."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Sequence

from sightx_cli.features.extraction import Features, Lookup
from sightx_cli.processes import Processes

PATIENCE_SECONDS = 60.0
"""What one machine writes, another sees on a network disk within so long: NFS looks a folder up again after at most 60
seconds (nfs(5), acdirmax)."""
LOOK_EVERY_SECONDS = 0.5


def extract_parts(
    lookups: Sequence[Lookup],
    extract: Sequence[Callable[[Lookup], Features]],
    find: Callable[[], list[Lookup]],
    processes: Processes,
    has_workers: bool = False,
) -> list[Lookup]:
    """Compute this process's part of what each lookup lacks; return the lookups again when all processes have done so.

    Where the first one `has_workers` on a cluster, they compute all. What another has not been able to keep is still
    missing in them. Raises OSError in all where one had no room.
    """
    failed, is_elsewhere = None, processes.share(has_workers)
    try:
        for lookup, run in zip(lookups, extract, strict=True):
            mine = list(lookup.missing)
            mine = mine * processes.is_first if is_elsewhere else list(processes.split(mine))
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
