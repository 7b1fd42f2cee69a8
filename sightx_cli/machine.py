"""What the machine gives this process: processors and memory, within the limits of a container where there is one.

Two programs that each start as many threads as there are cores make each other several times slower, so readers,
engines and torch share one budget. Limits are those of the control groups (cgroup, version 1 or 2) that hold the
process: a container's, a batch system's job, a service's.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

CGROUPS, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
NO_LIMIT_BYTES = 2**60
"""Version 1 says a number near 2^63 where there is no limit."""


@dataclass(frozen=True)
class ThreadBudget:
    """The machine's threads, shared between what computes and what reads."""

    total: int

    @property
    def inference(self) -> int:
        """Threads that compute."""
        return self.total

    @property
    def streams(self) -> int:
        """Batches that OpenVINO works on side by side."""
        return min(self.total, 4)

    @property
    def decoding(self) -> int:
        """Threads that read images; they mostly fill the gaps between batches."""
        return self.total


def measure_threads() -> ThreadBudget:
    """Return the budget of this process: the processors it may run on, no more than its container grants."""
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = measure_processor_quota()
    return ThreadBudget(processors if quota is None else max(1, min(processors, math.ceil(quota))))


def measure_processor_quota() -> float | None:
    """Return how many processors' time the control groups grant, such as 1.5; None where nothing limits it."""
    quotas = []
    for folder in list_groups("cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = (_read(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota.isdecimal() and period.isdecimal() and int(period):  # "max", or -1 in version 1: no limit
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def measure_memory() -> int | None:
    """Return the memory that this process may use, in bytes; None where the system does not tell."""
    limits = [limit for folder in list_groups("memory") if (limit := _read_limit(folder)) is not None]
    physical = _measure_pages("SC_PHYS_PAGES")
    return min([*limits, *([] if physical is None else [physical])], default=None)


def measure_free_memory() -> int | None:
    """Return the memory that is free now, in bytes, within every limit; None where the system does not tell."""
    rooms = [room for folder in list_groups("memory") if (room := _measure_room(folder)) is not None]
    free = _measure_pages("SC_AVPHYS_PAGES")
    return min([*rooms, *([] if free is None else [free])], default=None)


def list_groups(controller: str) -> list[Path]:
    """List the folders of the control groups that hold this process, its own first: each may set a limit."""
    for line in _read(OWN_GROUPS).splitlines():
        _, controllers, path = line.split(":", 2)
        base = CGROUPS if not controllers else CGROUPS / controller  # version 2 names no controllers
        if not controllers or controller in controllers.split(","):
            own = base / path.lstrip("/")
            # A container sees its own group mounted at the root, whatever path it reads of itself.
            return [folder for folder in (own, *own.parents) if folder.is_relative_to(base) and folder.is_dir()]
    return []


def _read_limit(group: Path) -> int | None:
    limit = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
    return int(limit) if limit.isdecimal() and int(limit) < NO_LIMIT_BYTES else None


def _measure_room(group: Path) -> int | None:
    """Return what a group's limit leaves beside what it uses; file caches count as free, for they give way."""
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
