"""What the file system holds beside ordinary files, where it can be written, and who writes what now."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sightx_cli.errors import SightXError, UsageError

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
"""What a path may be beside an ordinary file."""


class InUseError(SightXError):
    """Another process has the lock; `holder` is its number, or empty where that cannot be read."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"in use by process {holder}" if holder else "in use by another process")
        self.holder = holder


def find_kind(state: os.stat_result) -> str:
    """Name what a path is beside an ordinary file, such as "a named pipe"; "" for an ordinary file."""
    return "" if stat.S_ISREG(state.st_mode) else KINDS.get(stat.S_IFMT(state.st_mode), "something else")


def check_ordinary(path: str | Path) -> None:
    """Raise OSError, with words for the user, for anything but an ordinary file: reading a pipe may never end."""
    if kind := find_kind(Path(path).stat()):
        raise OSError(errno.EINVAL, f"{kind}, not a file", str(path))


def check_place(option: str, path: Path) -> None:
    """Check, before any work, that a file or folder can be made, with the folders above it; leaves nothing.

    Raises UsageError, which names the option that said the path.
    """
    try:
        with suppress(FileNotFoundError):
            path.lstat()
        above = next(one for one in path.absolute().parents if os.path.lexists(one))
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above))
        Path(tempfile.mkdtemp(prefix=".sightx-", dir=above)).rmdir()
    except (OSError, ValueError) as error:  # ValueError: no file can have this name
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{option} {path}: cannot be written ({reason})", "name another place") from error


@contextmanager
def locking(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made with its folder, while the block runs; the system frees it at any death.

    The block may delete the file. Raises InUseError where another process (or another call) holds it, OSError where
    the file cannot be made.
    """
    file = _open_locked(path)
    try:
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield
    finally:
        file.close()


def _open_locked(path: Path) -> IO[str]:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+", encoding="ascii")
        except FileNotFoundError:  # its folder was removed between these two lines, by the one that finished
            continue
        try:
            _lock(file)
        except OSError as error:
            file.seek(0)
            holder = file.read(20).strip()
            file.close()
            raise InUseError(holder) from error
        with suppress(OSError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # the lock of a file that is deleted keeps nobody out


def _lock(file: IO[str]) -> None:
    """Lock a file without waiting; raises OSError where it is locked."""
    if os.name == "nt":
        import msvcrt

        file.seek(2**30)  # beyond the text, which others may read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
