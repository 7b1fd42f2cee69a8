"""Let the C library keep the memory of a training step for the next one, and return that of tables, where it is glibc.

Each step allocates the same activations again. glibc maps large ones and returns them each time, and the kernel
clears every page of them: measured on two cores, a fifth of an unfrozen step's time and a tenth of a suffix's.

Columns of a million rows are large and each of another size. What is freed of them glibc keeps in pieces, 80 MB after a
few steps, and its threads' heaps grow with every row group that they read.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from sightx_cli.startup.switch import may_touch

# Numbers and defaults as in glibc's malloc.h and mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
DEFAULT_MMAPS = 65_536
NEVER_TRIM = 2**31 - 1
LARGEST_BYTES = 32 * 1024**2
"""What is larger is mapped by itself again after the block, and twice as much is left free at the most: where glibc's
own thresholds end, which it moves no more once they were set. At where they begin, a forward pass takes twice as long.
"""

TABLE_BYTES = 1024**2
"""What is larger is mapped by itself while tables are worked on; an image at a network's size is smaller."""


@contextmanager
def keeping_memory() -> Iterator[bool]:
    """Keep freed memory during the block, and return it to the system at the end; yields whether that is done here.

    The allocator belongs to the whole process, so only a settled process is changed.
    """
    if not may_touch("glibc"):
        yield False
        return
    library = ctypes.CDLL(None)
    library.malloc_trim(0)  # memory left by the frozen layers' forward is no longer needed
    library.mallopt(M_MMAP_MAX, 0)
    library.mallopt(M_TRIM_THRESHOLD, NEVER_TRIM)
    try:
        yield True
    finally:
        library.mallopt(M_MMAP_MAX, DEFAULT_MMAPS)
        _map_larger(library, LARGEST_BYTES)
        library.malloc_trim(0)


@contextmanager
def returning_memory() -> Iterator[bool]:
    """Return what is freed during the block to the system at once, and the rest at the end; yields whether it is done.

    For work on tables, of which little is allocated again.
    """
    if not may_touch("glibc"):
        yield False
        return
    library = ctypes.CDLL(None)
    _map_larger(library, TABLE_BYTES)
    try:
        yield True
    finally:
        _map_larger(library, LARGEST_BYTES)
        library.malloc_trim(0)


def _map_larger(library: ctypes.CDLL, most_bytes: int) -> None:
    """Map what is larger by itself from now on, and leave twice as much free at the end of a heap at the most."""
    library.mallopt(M_MMAP_THRESHOLD, most_bytes)
    library.mallopt(M_TRIM_THRESHOLD, 2 * most_bytes)


def return_free_memory() -> None:
    """Return what was freed to the system: after one very large image most of it would stay with the process."""
    if may_touch("glibc"):
        ctypes.CDLL(None).malloc_trim(0)
