"""What this process may use: its processors and memory, within the limits of its control groups."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightx_cli import machine
from sightx_cli.machine import ThreadBudget, measure_free_memory, measure_memory, measure_threads


@given(st.integers(1, 256))
def test_no_part_takes_more_threads_than_there_are(total: int) -> None:
    budget = ThreadBudget(total)
    assert 1 <= budget.streams <= min(total, 4)
    assert 1 <= budget.decoding <= total
    assert budget.inference == total


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors cannot be chosen here")
def test_the_budget_is_of_the_processors_that_this_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    assert measure_threads().total == len(allowed)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert measure_threads().total == 1
    finally:
        os.sched_setaffinity(0, allowed)


Groups = Callable[..., None]


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Groups:
    """Writes control groups: `groups("0::/job", {"job/cpu.max": "150000 100000"})`."""

    def write(own: str, files: dict[str, str]) -> None:
        (tmp_path / "own").write_text(own + "\n")
        for name, text in files.items():
            file = tmp_path / "cgroup" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
        monkeypatch.setattr(machine, "OWN_GROUPS", tmp_path / "own")
        monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)

    return write


@pytest.mark.parametrize(
    ("own", "files", "threads"),
    [
        ("0::/", {"cpu.max": "200000 100000"}, 2),
        ("0::/", {"cpu.max": "150000 100000"}, 2),
        ("0::/", {"cpu.max": "50000 100000"}, 1),
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("0::/slurm/job", {"slurm/job/cpu.max": "max 100000", "slurm/cpu.max": "300000 100000"}, 3),
        ("4:cpu,cpuacct:/job", {"cpu/job/cpu.cfs_quota_us": "400000", "cpu/job/cpu.cfs_period_us": "100000"}, 4),
        ("4:cpu,cpuacct:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ("4:cpu,cpuacct:/docker/abc", {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 2),
        ("", {}, 8),
    ],
)
def test_threads_stay_within_what_the_container_grants(
    groups: Groups, own: str, files: dict[str, str], threads: int
) -> None:
    groups(own, files)
    assert measure_threads().total == threads


@pytest.mark.parametrize(
    ("own", "files", "memory", "free"),
    [
        (
            "0::/",
            {"memory.max": "4000000", "memory.current": "3000000", "memory.stat": "anon 1\ninactive_file 500000"},
            4_000_000,
            1_500_000,
        ),
        ("0::/a/b", {"a/memory.max": "3000000", "a/memory.current": "1000000", "a/b/memory.max": "max"}, 3e6, 2e6),
        (
            "9:memory:/",
            {"memory/memory.limit_in_bytes": "2000000", "memory/memory.usage_in_bytes": "2500000"},
            2_000_000,
            0,
        ),
    ],
)
def test_memory_stays_within_what_the_container_grants(
    groups: Groups, own: str, files: dict[str, str], memory: float, free: float
) -> None:
    groups(own, files)
    assert (measure_memory(), measure_free_memory()) == (memory, free)


def test_without_a_limit_the_memory_is_the_machines(groups: Groups) -> None:
    groups("9:memory:/", {"memory/memory.limit_in_bytes": str(2**63 - 4096)})
    assert measure_memory() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
