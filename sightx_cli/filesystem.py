"""What file systems do besides reading and writing: kinds of files, locks, exchanging folders, waiting for the disk."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
import tempfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from sightx_cli.errors import RunError, SightXError, UsageError

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
"""What a path may be beside an ordinary file."""

ROOM_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What the system says where a disk, a quota or a file's allowance is full."""

BUSY_ERRNOS = {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK}
"""What the system says of a file that another process has locked; anything else means that this disk has no locks."""

UNKNOWN_ERRNOS = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}
"""What network disks say that cannot flush a folder."""

LOCK = ".lock"
"""The file by which a folder is locked."""

NOBODYS = (LOCK, ".[0-9]*-*", ".DS_Store", "Thumbs.db", "desktop.ini")
"""Names that are no work of the user's in any folder: locks, files half written, what systems leave by themselves."""

MOST_NAMED = 3
"""Files that an error names one by one."""

AT_CURRENT_FOLDER, RENAME_EXCHANGE = -100, 2
"""Linux's AT_FDCWD and RENAME_EXCHANGE, for renameat2(2)."""


class InUseError(SightXError):
    """Another process has the lock; `holder` is its number, or empty where that cannot be read."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"in use by process {holder}" if holder else "in use by another process")
        self.holder = holder


def choose_cache_folder() -> Path:
    """Return the folder of the cache: `SIGHTX_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("SIGHTX_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "sightx"


def find_kind(state: os.stat_result) -> str:
    """Name what a path is beside an ordinary file, such as "a named pipe"; "" for an ordinary file."""
    return "" if stat.S_ISREG(state.st_mode) else KINDS.get(stat.S_IFMT(state.st_mode), "something else")


def check_ordinary(path: str | Path) -> None:
    """Raise OSError, with words for the user, for anything but an ordinary file: reading a pipe may never end."""
    if kind := find_kind(Path(path).stat()):
        raise OSError(errno.EINVAL, f"{kind}, not a file", str(path))


def read_ordinary(path: Path) -> str:
    """Read a text file; raises OSError as `check_ordinary` does, and ValueError for what is no UTF-8."""
    check_ordinary(path)
    return path.read_text(encoding="utf-8")


def check_place(option: str, path: Path, is_typed: bool = True) -> None:
    """Check, before any work, that a file or folder can be made, with the folders above it; leaves nothing.

    Raises UsageError, which names the option that said the path, or the folder where nobody typed it.
    """
    above = path.parent
    try:
        with suppress(FileNotFoundError):
            path.lstat()
        above = next(one for one in path.absolute().parents if os.path.lexists(one))
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(above))
        Path(tempfile.mkdtemp(prefix=".sightx-", dir=above)).rmdir()
    except (OSError, ValueError) as error:  # ValueError: no file can have this name
        reason = getattr(error, "strerror", None) or error
        if not is_typed:
            raise UsageError(
                f"{above.absolute()}: cannot be written ({reason})", f"name a place with {option}"
            ) from error
        raise UsageError(f"{option} {path}: cannot be written ({reason})", "name another place") from error


def refuse_foreign(option: str, folder: Path, own: Collection[str]) -> None:
    """Raise RunError where a folder that is to be replaced holds anything but its own files, so that none is lost.

    `own` are their names within the folder, or patterns of them, in which * is any text, with / or without.
    """
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    foreign = sorted(
        one.as_posix()
        for one in found
        if not any(fnmatchcase(one.as_posix(), pattern) for pattern in own)
        and not any(fnmatchcase(one.name, pattern) for pattern in NOBODYS)
    )
    if foreign:
        more = f" and {len(foreign) - MOST_NAMED:,} more" if len(foreign) > MOST_NAMED else ""
        said = (
            f"holds what SightX did not make there, {', '.join(foreign[:MOST_NAMED])}{more}, so it is not overwritten"
        )
        raise RunError(f"{option} {folder}: {said}", "move that elsewhere, or choose another folder")


@contextmanager
def locking(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made with its folder, while the block runs; the system frees it at any death.

    The block may delete the file. Raises InUseError where another process (or another call) holds it, OSError where
    the file cannot be made.
    """
    file = _open_locked(path)
    try:
        yield
    finally:
        file.close()


class FolderLock:
    """A lock on a folder: held by one process, and free again as soon as that process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK
        self._file: IO[str] | None = None

    def take(self) -> bool:
        """Take the lock; False where another process holds it. Raises OSError where the folder cannot be written."""
        try:
            self._file = self._file or _open_locked(self.path, with_folder=False)
        except InUseError:
            return False
        return True

    def release(self) -> None:
        """Give the lock back, if it is held, and remove its file."""
        if self._file is None:
            return
        with suppress(OSError):  # Windows removes no file that is open
            self.path.unlink(missing_ok=True)
        self._file.close()
        self._file = None
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def is_locked(folder: Path) -> bool:
    """Tell whether a process holds the folder's lock. Where that cannot be asked, nobody does."""
    try:
        with (folder / LOCK).open("r+", encoding="ascii") as file:
            _lock(file)
    except FileNotFoundError:
        return False
    except OSError as error:
        return error.errno in BUSY_ERRNOS
    return False


def _open_locked(path: Path, with_folder: bool = True) -> IO[str]:
    while True:
        if with_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("a+", encoding="ascii")
        except FileNotFoundError:  # its folder was removed between these two lines, by the one that finished
            if not with_folder:
                raise
            continue
        try:
            _lock(file)
        except OSError as error:
            if error.errno in BUSY_ERRNOS:
                file.seek(0)
                holder = file.read(20).strip()
                file.close()
                raise InUseError(holder) from error
        if _is_at(path, file):
            with suppress(OSError):  # on a full disk it cannot be told who has the lock
                os.ftruncate(file.fileno(), 0)
                os.write(file.fileno(), str(os.getpid()).encode("ascii"))
            return file
        file.close()  # the lock of a file that is deleted keeps nobody out


def _is_at(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _lock(file: IO[str]) -> None:
    """Lock a file without waiting; raises OSError where it is locked, or where its disk has no locks."""
    if os.name == "nt":
        import msvcrt

        file.seek(2**30)  # beyond the text, which others may read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_full(error: BaseException | None) -> bool:
    """Tell whether an error, or what caused it, is a disk that is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in ROOM_ERRNOS:
            return True
        error = error.__cause__ or error.__context__
    return False


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
    except OSError as error:
        if error.errno not in UNKNOWN_ERRNOS:
            raise
    finally:
        os.close(handle)


def measure_folder(folder: Path) -> int:
    """Return the bytes of the files below a folder, not of what links point to; files that vanish meanwhile are 0."""
    total = 0
    for base, _, names in os.walk(folder):  # not rglob, which raises when a folder vanishes
        for name in names:
            with suppress(OSError):
                total += (Path(base) / name).lstat().st_size
    return total


def read_checksum(path: Path) -> int:
    """Return a file's CRC-32. Raises OSError."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum
