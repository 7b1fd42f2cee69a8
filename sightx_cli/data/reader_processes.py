"""Processes that read images beside this one.

Threads keep one to two of sixteen cores busy: between the calls of Pillow that free the interpreter each image needs
it for a millisecond or so (measured on 16 cores: 750 images/s plain, 118 augmented).

Why not the processes of `multiprocessing` or `concurrent.futures`: what they spawn runs the caller's main module again,
so a script without `if __name__ == "__main__"` would start over in each, and what they fork inherits a CUDA context and
threads' locks. joblib's do neither, but stay when the process that started them is killed. These are started as one
module and end as soon as the connection to them closes, whatever closed it; threads of `concurrent.futures` talk to
them.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing import Pipe
from typing import Any, Protocol, TypeVar

from sightx_cli.data.pixel_file import PixelFile
from sightx_cli.data.reader_child import RAISED, SHORT
from sightx_cli.machine import measure_free_memory, measure_threads

Given = TypeVar("Given")

LEAST_PROCESSORS = 4
"""With fewer, threads keep all of them busy."""
LEAST_IMAGES = 256
"""Of fewer images reading in threads is done before processes have started (0.3 s, the first time)."""
BYTES_PER_PROCESS = 256 * 1024**2
"""What a process takes: 60 MB for itself, and a photograph of 12 megapixels decoded and worked on."""
SHARE_OF_FREE_MEMORY = 0.25
SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2),
}
"""The environment of a process, beside its caller's. glibc maps and returns each image's memory, and the kernel clears
every page of it, unless told to keep it: small images at 224 px took 810 µs each, and take 470."""
CLOSED = "the processes that read images have been ended"
ATTEMPTS = 2
"""How often a call is sent that ends the process which works on it: something else may have ended the first."""


class ReaderEndedError(Exception):
    """A process ended while it worked on a call, in every attempt."""


class Readers(Protocol):
    """What runs functions of `data` on many images at a time."""

    workers: int

    def submit(self, function: Callable[..., Given], *arguments: Any) -> Future[Given]:
        """Run a function of a module that a process may import; its result raises `ReaderEndedError`."""


def choose_processes(images: int, processors: int | None = None, free_bytes: int | None = None) -> int:
    """Return how many processes read so many images; 0 where threads do it as fast, or memory is short, and on systems
    without memory that processes share by a file (other than Linux).

    As many as this process may use processors, by its affinity and container; `processors` and `free_bytes` of memory
    are measured where they are not given.
    """
    processors = measure_threads().decoding if processors is None else processors
    if processors < LEAST_PROCESSORS or images < LEAST_IMAGES or not hasattr(os, "memfd_create"):
        return 0
    free = measure_free_memory() if free_bytes is None else free_bytes
    fitting = processors if free is None else int(free * SHARE_OF_FREE_MEMORY / BYTES_PER_PROCESS)
    return min(processors, fitting) if fitting >= LEAST_PROCESSORS else 0


class ReaderProcess:
    """One process, which runs one call after the other."""

    def __init__(self, turn: str) -> None:
        """Start it; `turn` is a file by whose lock large images are read one at a time."""
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "sightx_cli.data.reader_child", str(theirs.fileno()), turn],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # libraries of image formats print what they make of damaged files
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **SETTINGS},
                pass_fds=[theirs.fileno()],
            )

    @property
    def number(self) -> int:
        """The number that the system knows the process by."""
        return self._process.pid

    def call(self, function: Callable[..., Given], *arguments: Any) -> Given:
        """Run a function of a module there, and return what it gives.

        Raises MemoryError where memory ran out there, RuntimeError with the words of anything else that it raised, and
        OSError where the process ended.
        """
        try:
            self._connection.send((function, arguments))
            how, answer = self._connection.recv()
        except EOFError as error:
            raise OSError("a process that reads images ended") from error
        if how == SHORT:
            raise MemoryError(answer)
        if how == RAISED:
            raise RuntimeError(f"a process that reads images failed\n{answer}")
        given: Given = answer
        return given

    def close(self) -> None:
        """End the process; a thread that waits for its answer finds that it ended.

        The connection closes with this object: that thread may still be about to read from it.
        """
        self._process.kill()
        self._process.wait()


class ReaderThreads:
    """Runs calls in threads of this process: for few images, and on machines with few processors."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or measure_threads().decoding
        self._threads = ThreadPoolExecutor(self.workers)

    def submit(self, function: Callable[..., Given], *arguments: Any) -> Future[Given]:
        """Run a function in a thread."""
        return self._threads.submit(function, *arguments)

    def close(self) -> None:
        """Let the threads end when they are done."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class ReaderPool:
    """Runs calls in processes: each thread of the pool asks one of them, and starts one where none is idle.

    They wait for more when they are done, for the next part of a fit, until `close` or the end of this process.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._threads = ThreadPoolExecutor(workers)
        self._lock = threading.Lock()
        self._idle: list[ReaderProcess] = []
        self._all: set[ReaderProcess] = set()
        self._is_closed = False
        self._turn = PixelFile(None)

    def submit(self, function: Callable[..., Given], *arguments: Any) -> Future[Given]:
        """Run a function in a process; its future raises what `ReaderProcess.call` does, but for `ReaderEndedError`."""
        return self._threads.submit(self._ask, function, *arguments)

    def list_numbers(self) -> list[int]:
        """Return the numbers of the processes that run, as the system knows them."""
        with self._lock:
            return sorted(process.number for process in self._all)

    def close(self) -> None:
        """End the processes, in the middle of what they do."""
        with self._lock:
            self._is_closed = True
            ending, self._idle = list(self._all), []
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in ending:
            process.close()

    def _ask(self, function: Callable[..., Given], *arguments: Any) -> Given:
        for _ in range(ATTEMPTS):
            process = self._take()
            try:
                given = process.call(function, *arguments)
            except (MemoryError, RuntimeError):  # it is well, and waits for the next call
                self._give_back(process)
                raise
            except BaseException as error:
                self._drop(process)
                if not isinstance(error, OSError) or self._is_closed:
                    raise
            else:
                self._give_back(process)
                return given
        raise ReaderEndedError

    def _take(self) -> ReaderProcess:
        with self._lock:
            if self._is_closed:
                raise RuntimeError(CLOSED)
            if self._idle:
                return self._idle.pop()
        process = ReaderProcess(self._turn.place.path)
        with self._lock:
            if not self._is_closed:
                self._all.add(process)
                return process
        process.close()
        raise RuntimeError(CLOSED)

    def _give_back(self, process: ReaderProcess) -> None:
        with self._lock:
            self._idle.append(process)

    def _drop(self, process: ReaderProcess) -> None:
        with self._lock:
            self._all.discard(process)
        process.close()


_OPENING = threading.Lock()
_OPEN: dict[int, Readers] = {}
"""By how many processes; 0: threads. One fit reads in several places, and starts them once."""


def open_readers(processes: int) -> Readers:
    """Return what reads in so many processes, or in threads for 0: the same one for as long as this process lives."""
    with _OPENING:
        if processes not in _OPEN:
            readers: ReaderPool | ReaderThreads = ReaderPool(processes) if processes else ReaderThreads()
            atexit.register(readers.close)
            _OPEN[processes] = readers
        return _OPEN[processes]
