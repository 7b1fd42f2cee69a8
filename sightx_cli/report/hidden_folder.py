"""A folder that appears whole or not at all: it is filled under a hidden name, and locked meanwhile."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sightx_cli import runs
from sightx_cli.errors import RunError
from sightx_cli.filesystem import FolderLock


@dataclass
class FolderInMaking:
    """An unfinished inspection: the folder to fill, and its destination."""

    partial: Path
    folder: Path


@contextlib.contextmanager
def making_folder(folder: Path, overwrite: bool = False) -> Iterator[FolderInMaking]:
    """Yield a folder to fill; it becomes the one named when the block succeeds and is removed when it fails.

    Without `overwrite`, one that appeared there in the meantime is not touched: this one gets a numbered name.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = runs.find_free(folder.with_name(f".{folder.name}-{os.getpid()}"))
        partial.mkdir()
        lock = FolderLock(partial)
        lock.take()
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error.strerror})", "choose another place with --out") from error
    making = FolderInMaking(partial, folder)
    try:
        yield making
        lock.release()
        folder = making.folder = folder if overwrite else runs.find_free(folder)
        runs.replace_run(partial, folder)
    finally:
        lock.release()
        shutil.rmtree(partial, ignore_errors=True)
