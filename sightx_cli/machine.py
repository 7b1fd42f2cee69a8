"""The processors and memory available to this process, within the limits of its container if there is one.

Two programs that each start one thread per core slow each other down several times, so image readers,
engines and torch share one budget. The limits are those of the process's control groups (cgroup, version 1 or 2): a
container's, a batch job's or a service's.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sightx_cli.errors import MemoryShortage

CGROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
MEMORY_FACTS = Path("/proc/meminfo")
NVIDIA_FILES = ("/dev/nvidiactl", "/dev/dxg")
"""Of Linux, and of Linux within Windows."""
NO_LIMIT_BYTES = 2**60
"""cgroup version 1 reports a number near 2^63 when there is no limit."""
SAID_OF_THREADS = ("can't start new thread", "resource temporarily unavailable")
"""What an error says, in lower case, where the system gave a process no more threads."""

SMALLEST_HINT_PX = 96
"""No smaller images are suggested when memory runs out."""

SAID_OF_SHORTAGE = (
    *("out of memory", "not enough memory", "insufficient memory", "can't allocate memory", "cannot allocate memory"),
    *("failed to allocate", "could not allocate", "alloc_failed", "bad_alloc", "bad allocation"),
    *("can't alloc", "failed to map segment"),
)
"""What torch ("DefaultCPUAllocator: can't allocate memory", on Windows "not enough memory"), CUDA and cuBLAS
("out of memory", "CUBLAS_STATUS_ALLOC_FAILED"), MPS, OpenVINO ("std::bad_alloc") and oneDNN ("can't alloc") say as a
RuntimeError, and the dynamic loader ("failed to map segment") while a library is imported."""
SAID_OF_GPU = ("cuda", "cublas", "cudnn", "hip ", "mps ", "xpu", "gpu")


@dataclass(frozen=True)
class ThreadBudget:
    """The machine's threads, shared between inference and image decoding."""

    total: int

    @property
    def inference(self) -> int:
        """Threads for inference."""
        return self.total

    @property
    def streams(self) -> int:
        """Batches that OpenVINO processes in parallel."""
        return min(self.total, 4)

    @property
    def decoding(self) -> int:
        """Threads that decode images; they mostly fill the gaps between batches."""
        return self.total


def has_nvidia_driver() -> bool:
    """Tell whether the driver of an NVIDIA GPU is here, without starting it: whether torch can use it, torch must say.

    Its device files are there on Linux and in containers that are given a GPU, its tool everywhere.
    """
    return any(Path(file).exists() for file in NVIDIA_FILES) or shutil.which("nvidia-smi") is not None


_sharers = [1]
"""Of how many processes on this machine this is one, while all of them work."""


@contextlib.contextmanager
def sharing_processors(processes: int) -> Iterator[None]:
    """Let this process count its part of the processors alone, while as many processes as it is one of all work."""
    _sharers.append(processes)
    try:
        yield
    finally:
        _sharers.pop()


_allotted: int | None = None


def limit_threads(threads: int | None) -> None:
    """Have `measure_threads` return no more than this many: of a worker process, which has others beside it."""
    global _allotted
    _allotted = threads


def is_sharing_processors() -> bool:
    """Tell whether other processes of the same work have their part of this machine's processors."""
    return _allotted is not None or _sharers[-1] > 1


def measure_threads() -> ThreadBudget:
    """Return this process's thread budget: the processors it may run on, at most what its container allows, or what
    was allotted to it (see `limit_threads`)."""
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    limits = [math.ceil(one) for one in (measure_processor_quota(), _allotted) if one is not None]
    return ThreadBudget(max(1, min([processors, *limits]) // _sharers[-1]))


def measure_processor_quota() -> float | None:
    """Return the CPU quota of the control groups in processors, for example 1.5; None if there is no limit."""
    quotas = []
    for folder in list_groups("cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = (_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota.isdecimal() and period.isdecimal() and int(period):  # "max", or -1 in version 1: no limit
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def measure_memory() -> int | None:
    """Return the memory that this process may use, in bytes; None if the system does not report it."""
    limits = [limit for folder in list_groups("memory") if (limit := _read_limit(folder)) is not None]
    physical = _measure_pages("SC_PHYS_PAGES")
    return min([*limits, *([] if physical is None else [physical])], default=None)


def measure_free_memory() -> int | None:
    """Return the memory that is free now, in bytes, within every limit; None if the system does not report it."""
    rooms = [room for folder in list_groups("memory") if (room := _measure_room(folder)) is not None]
    free = _measure_available()
    return min([*rooms, *([] if free is None else [free])], default=None)


def find_memory_shortage(error: BaseException | None) -> str | None:
    """Say which memory ran out, where an error or what caused it means that: None for any other error.

    NumPy, Pillow and Arrow raise a MemoryError, the system an OSError with ENOMEM, torch an OutOfMemoryError of its own
    on a GPU; else torch and OpenVINO say it in the words of a RuntimeError.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        said = str(error).lower()
        named = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
        worded = any(words in said for words in SAID_OF_SHORTAGE)
        worded = worded and isinstance(error, RuntimeError | ImportError | OSError)
        of_gpu = isinstance(error, RuntimeError) and any(words in said for words in SAID_OF_GPU)
        if named or (worded and of_gpu):
            return "the memory of the GPU"
        if worded or isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return _name_memory()
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


@contextlib.contextmanager
def naming_shortage(doing: str, batch: int | None = None, size_px: int | None = None) -> Iterator[None]:
    """Raise `MemoryShortage`, with what to lower, instead of what a library raises when memory runs out in the block.

    `doing` says what the block does, such as "training"; `batch` and `size_px` are the recipe's.
    """
    try:
        yield
    except Exception as error:
        shortage = build_shortage(error, doing, batch, size_px)
        if shortage is None:
            raise
        raise shortage from error


def build_shortage(
    error: BaseException, doing: str = "", batch: int | None = None, size_px: int | None = None
) -> MemoryShortage | None:
    """Build the error that names the memory that ran out and what to lower; None where it was not memory."""
    if isinstance(error, MemoryShortage):
        return error
    which = find_memory_shortage(error)
    if which is None:
        return None
    ways = []
    if batch is not None and batch > 1:
        ways.append(f"add --set training.batch={batch // 2} (it is {batch})")
    if size_px is not None and size_px > SMALLEST_HINT_PX:
        smaller = max(SMALLEST_HINT_PX, size_px * 3 // 4 // 32 * 32)
        ways.append(f"add --set image.size_px={smaller} (it is {size_px})")
    hint = f"{', then '.join(ways) or 'use smaller batches or images'}, or close other programs"
    return MemoryShortage(f"{which} ran out" + f" while {doing}" * bool(doing), hint)


def _name_memory() -> str:
    """Name the memory of this process: what it or its container is allowed, where that is less than the machine has."""
    limit, physical = measure_memory(), _measure_pages("SC_PHYS_PAGES")
    own = _read_own_limit()
    if own is not None and own < (limit or own + 1):
        return f"the memory that this process is allowed ({own / 1e9:.1f} GB, ulimit -v)"
    if limit is None:
        return "memory (RAM)"
    whose = "the container" if physical is not None and limit < physical else "this machine"
    return f"the memory of {whose} ({limit / 1e9:.1f} GB)"


def is_thread_shortage(error: BaseException) -> bool:
    """Tell whether an error means that the system gave this process no more threads."""
    said = str(error).lower()
    return isinstance(error, OSError | RuntimeError) and any(words in said for words in SAID_OF_THREADS)


def list_groups(controller: str) -> list[Path]:
    """List the folders of this process's control groups, its own first: each may set a limit."""
    for line in _read(OWN_GROUPS).splitlines():
        _, controllers, path = line.split(":", 2)
        base = CGROUPS if not controllers else CGROUPS / controller  # version 2 lists no controllers
        if not controllers or controller in controllers.split(","):
            own = base / path.lstrip("/")
            # A container sees its own group mounted at the root, whatever path it is given.
            return [folder for folder in (own, *own.parents) if folder.is_relative_to(base) and folder.is_dir()]
    return []


def _read_own_limit() -> int | None:
    """Read the limit set for the addresses of this process, as by a shell or a batch system; None without one."""
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _read_limit(group: Path) -> int | None:
    limit = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
    return int(limit) if limit.isdecimal() and int(limit) < NO_LIMIT_BYTES else None


def _measure_room(group: Path) -> int | None:
    """Return the memory left under a group's limit; file caches count as free, since they can be reclaimed."""
    limit = _read_limit(group)
    used = _read(group / "memory.current") or _read(group / "memory.usage_in_bytes")
    if limit is None or not used.isdecimal():
        return limit
    rows = dict(line.split(" ", 1) for line in _read(group / "memory.stat").splitlines() if " " in line)
    caches = rows.get("inactive_file", "0")
    return max(0, limit - int(used) + (int(caches) if caches.isdecimal() else 0))


def _measure_available() -> int | None:
    """Return the memory that programs may still take; where the system says so, file caches count as free."""
    for line in _read(MEMORY_FACTS).splitlines():
        name, _, amount = line.partition(":")
        if name == "MemAvailable" and amount.split()[:1] and amount.split()[0].isdecimal():
            return int(amount.split()[0]) * 1024
    return _measure_pages("SC_AVPHYS_PAGES")


def _measure_pages(kind: str) -> int | None:
    try:
        return os.sysconf(kind) * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
