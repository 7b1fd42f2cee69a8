"""What file systems do besides reading and writing: locks, exchanging two folders, waiting for the disk, sizes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from pathlib import Path
from typing import IO

LOCK = ".lock"
"""The file that is locked, in the folder."""


AT_CURRENT_FOLDER, RENAME_EXCHANGE = -100, 2
"""Linux's AT_FDCWD and RENAME_EXCHANGE, for renameat2(2)."""


class FolderLock:
    """A lock on a folder: held by one process, and free again as soon as that process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        self._file: IO[bytes] | None = None

    def take(self) -> bool:
        """Take the lock; False where another process holds it. Raises OSError where the folder cannot be written."""
        if self._file is not None:
            return True
        file = self.path.open("ab")
        if _lock(file):
            self._file = file
            return True
        file.close()
        return False

    def release(self) -> None:
        """Give the lock back, if it is held, and remove its file."""
        if self._file is None:
            return
        if sys.platform != "win32":  # there an open file cannot be removed
            self.path.unlink(missing_ok=True)
        self._file.close()
        self._file = None
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def is_locked(folder: Path) -> bool:
    """Tell whether a process holds the folder's lock. Where that cannot be asked, nobody does."""
    try:
        with (folder / LOCK).open("r+b") as file:
            return not _lock(file)
    except OSError:
        return False


def _lock(file: IO[bytes]) -> bool:
    """Lock a file without waiting; False where another process has it. Closing the file gives the lock back."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def exchange_folders(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, so that neither is ever missing; False where the system cannot."""
    if sys.platform != "linux":
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    here = AT_CURRENT_FOLDER
    return bool(rename(here, os.fsencode(one), here, os.fsencode(other), RENAME_EXCHANGE) == 0)


def flush_to_disk(path: Path) -> None:
    """Wait until a file's contents, or a folder's names, are on the disk: a power cut cannot lose them then."""
    if sys.platform == "win32" and path.is_dir():  # folders cannot be opened there
        return
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def measure_folder(folder: Path) -> int:
    """Return the bytes of the files below a folder, not of what links point to; files that vanish meanwhile are 0."""
    total = 0
    for base, _, names in os.walk(folder):  # not rglob, which raises when a folder vanishes
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(base) / name).lstat().st_size
    return total
