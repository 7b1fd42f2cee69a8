"""What of the images lies outside the store's folders: held aside for a run, or left by a process that was killed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from sightx_cli import runs
from sightx_cli.features.aside import ASIDE, ASIDE_LOCK
from sightx_cli.features.disk import is_abandoned, last_written
from sightx_cli.filesystem import InUseError, locking, measure_folder
from sightx_cli.results.cache import CacheEntry


def list_traces() -> list[CacheEntry]:
    """List them, each by its path: the store is not among them."""
    return [
        CacheEntry(str(folder), measure_folder(folder), datetime.fromtimestamp(last_written(folder)), what)
        for folder, what in _find_leftovers()
    ]


def clear_traces() -> int:
    """Remove what no running process holds; return the bytes freed."""
    freed = 0
    for folder, what in _find_leftovers():
        if what != HELD:
            freed += measure_folder(folder)
            shutil.rmtree(folder, ignore_errors=True)
    return freed


HELD = "features, held by a run that goes on now"
LEFT = "features, left by a run that was killed"
UNFINISHED = "an unfinished run or inspection, left by a killed process"


def _find_leftovers() -> Iterator[tuple[Path, str]]:
    """Yield (folder, what it is): what another user made cannot be looked into, and is not ours to remove."""
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{ASIDE}*")):
        with suppress(OSError):
            yield folder, HELD if _is_held(folder) else LEFT
    for room in (runs.RUNS, runs.INSPECTIONS):
        for folder in sorted(room.absolute().glob(".*/")):
            if is_abandoned(last_written(folder)) and not (folder / runs.JOURNAL).exists():
                yield folder, UNFINISHED


def _is_held(folder: Path) -> bool:
    """Tell whether a running process holds a folder; raises OSError where that cannot be known."""
    try:
        with locking(folder / ASIDE_LOCK):
            return False
    except InUseError:
        return True
