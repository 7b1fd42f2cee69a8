"""The processors and memory available to this process, within the limits of its container if there is one.

Two programs that each start one thread per core slow each other down several times, so image readers,
engines and torch share one budget. The limits are those of the process's control groups (cgroup, version 1 or 2): a
container's, a batch job's or a service's.
"""

from __future__ import annotations

import errno
import math
import os
from dataclasses import dataclass
from pathlib import Path

CGROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
NO_LIMIT_BYTES = 2**60
"""cgroup version 1 reports a number near 2^63 when there is no limit."""
SHORTAGES = {
    "failed to map segment": "memory",  # the dynamic loader, while a library is imported
    "cannot allocate memory": "memory",
    "can't alloc": "memory",  # oneDNN, and torch
    "bad_alloc": "memory",  # C++, as OpenVINO passes it on
    "can't start new thread": "threads",
    "resource temporarily unavailable": "threads",
}
"""What an error says, in lower case, where the system gave a process no more, and of what."""


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


def measure_threads() -> ThreadBudget:
    """Return this process's thread budget: the processors it may run on, at most what its container allows."""
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = measure_processor_quota()
    return ThreadBudget(processors if quota is None else max(1, min(processors, math.ceil(quota))))


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
    free = _measure_pages("SC_AVPHYS_PAGES")
    return min([*rooms, *([] if free is None else [free])], default=None)


def find_shortage(error: BaseException) -> str:
    """Name what the system gave this process no more of, "memory" or "threads", by an error; "" for another error."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "memory"
    if not isinstance(error, ImportError | OSError | RuntimeError):
        return ""
    said = str(error).lower()
    return next((what for words, what in SHORTAGES.items() if words in said), "")


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
