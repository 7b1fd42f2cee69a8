"""A file of pixels that several processes of one fit share: in memory or on disk, gone when the fit ends, however."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray


class FilePlace(NamedTuple):
    """Where another process opens a file of pixels, and what tells that file from one that has taken its place."""

    path: str
    device: int
    node: int


@contextmanager
def opening_place(place: FilePlace) -> Iterator[BinaryIO]:
    """Open a file of pixels to write in. Raises OSError where it is gone: its number may be another file's by now."""
    with Path(place.path).open("r+b", buffering=0) as file:
        state = os.fstat(file.fileno())
        if (state.st_dev, state.st_ino) != (place.device, place.node):
            raise OSError(f"{place.path}: no longer the file of the pixels")
        yield file


class PixelFile:
    """An open file, without a name where the system has such files, that other processes open by its `place`.

    It is written through plain files, not through a memory map: on a full disk a write to a map kills the process, a
    plain write raises OSError. Raises OSError where it cannot be made.
    """

    def __init__(self, folder: Path | None = None, place: FilePlace | None = None) -> None:
        """Make an empty file, in memory where `folder` is None; or open another process's, by its `place`."""
        self._closing, self._lock, name = ExitStack(), threading.Lock(), ""
        if place is not None:
            name = place.path
            self._file: BinaryIO = self._closing.enter_context(opening_place(place))
        elif folder is None and hasattr(os, "memfd_create"):
            number = os.memfd_create("sightx-pixels")
            # Not in /dev/shm, of which a container gives 64 MB by default.
            self._file = self._closing.enter_context(os.fdopen(number, "w+b", buffering=0))
        else:
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(prefix="sightx-pixels-", dir=folder)
            if Path("/proc/self/fd").is_dir():  # then it needs no name, and nothing can leave it behind
                Path(name).unlink()
            else:
                self._closing.callback(Path(name).unlink, missing_ok=True)  # when the file is closed
            self._file = self._closing.enter_context(os.fdopen(number, "w+b", buffering=0))
        opened, state = Path(f"/proc/{os.getpid()}/fd/{self._file.fileno()}"), os.fstat(self._file.fileno())
        self.place = FilePlace(str(opened if opened.exists() else name), state.st_dev, state.st_ino)
        self.bytes_used = 0 if place is None else state.st_size
        """How far it has been written."""
        weakref.finalize(self, self._closing.close)

    def read_into(self, start: int, target: NDArray[np.uint8]) -> None:
        """Fill a contiguous array with the bytes from `start` on; raises OSError where there are fewer."""
        view = memoryview(target.data).cast("B")
        while len(view):
            if hasattr(os, "preadv"):  # as fast as from a map, and its pages do not count as this process's memory
                count = os.preadv(self._file.fileno(), [view], start)
            else:
                with self._lock:
                    self._file.seek(start)
                    count = self._file.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise OSError(f"{self.place.path}: ends before byte {start}")
            view, start = view[count:], start + count

    def map_pixels(self, count: int) -> mmap.mmap:
        """Make room for so many bytes and return a map of them, which what is written by `place` appears in."""
        self._file.truncate(count)
        return mmap.mmap(self._file.fileno(), count)

    def close(self) -> None:
        """Give its memory or disk space back."""
        with contextlib.suppress(OSError):
            self._closing.close()
