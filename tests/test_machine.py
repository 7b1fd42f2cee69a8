"""What this process may use: its processors and memory, within the limits of its control groups."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightx_cli import machine
from sightx_cli.errors import MemoryShortage, TrainingError
from sightx_cli.machine import (
    ThreadBudget,
    build_shortage,
    find_memory_shortage,
    measure_free_memory,
    measure_memory,
    measure_threads,
    naming_shortage,
)


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


def test_file_caches_count_as_free_memory(groups: Groups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups("", {})
    facts = tmp_path / "meminfo"
    monkeypatch.setattr(machine, "MEMORY_FACTS", facts)
    assert 0 < (measure_free_memory() or 0) <= (measure_memory() or 0)  # the free pages, where no file says more
    facts.write_text("MemTotal:  8000 kB\nMemFree:  100 kB\nMemAvailable:   6000 kB\nCached: 5900 kB\n")
    assert measure_free_memory() == 6000 * 1024


def exhaust_numpy() -> object:
    return np.zeros(10**16)


def exhaust_torch() -> object:
    import torch

    return torch.empty(10**15)


def exhaust_openvino() -> object:
    import openvino

    return openvino.Tensor(openvino.Type.f32, openvino.Shape([10**15]))


def exhaust_python() -> object:
    return bytearray(10**16)


@pytest.mark.parametrize("exhaust", [exhaust_numpy, exhaust_torch, exhaust_openvino, exhaust_python])
def test_a_real_shortage_is_called_by_its_name_and_by_what_to_lower(exhaust: Callable[[], object]) -> None:
    with pytest.raises(MemoryShortage) as caught, naming_shortage("training", 32, 384):
        exhaust()
    assert re.fullmatch(
        r"the memory of (this machine|the container) \(.* GB\) ran out while training", str(caught.value)
    )
    assert "--set training.batch=16 (it is 32), then add --set image.size_px=288 (it is 384)" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "words", ["CUDA out of memory. Tried to allocate 2 GiB", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling", ""]
)
def test_a_gpu_is_named(words: str) -> None:
    import torch

    error = RuntimeError(words) if words else torch.OutOfMemoryError("no room")
    assert find_memory_shortage(error) == "the memory of the GPU"


def mistake_for_a_short_curve() -> None:
    try:
        exhaust_numpy()
    except MemoryError as error:
        raise TrainingError("the curve is too short") from error


def test_a_shortage_is_found_behind_the_error_that_it_was_taken_for() -> None:
    with pytest.raises(TrainingError) as caught:
        mistake_for_a_short_curve()
    assert find_memory_shortage(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes do not fit"),
        ValueError("out of memory of mine"),
        OSError(28, "No space left"),
        IndexError(),
    ],
)
def test_another_error_is_none(error: Exception) -> None:
    assert find_memory_shortage(error) is None
    with pytest.raises(type(error)), naming_shortage("training"):
        raise error


def test_what_can_be_lowered_no_more_is_not_suggested() -> None:
    shortage = build_shortage(MemoryError(), "training", 1, 96)
    assert shortage is not None
    assert shortage.hint == "use smaller batches or images, or close other programs"
    assert build_shortage(shortage) is shortage


def test_a_limit_of_the_container_is_called_so(groups: Groups) -> None:
    groups("0::/", {"memory.max": str(2 * 10**9)})
    assert find_memory_shortage(MemoryError()) == "the memory of the container (2.0 GB)"


def test_a_limit_of_the_process_is_called_so() -> None:
    shown = "from sightx_cli.machine import find_memory_shortage; print(find_memory_shortage(MemoryError()))"
    limited = f"ulimit -v 4000000 && exec {sys.executable} -c '{shown}'"
    done = subprocess.run(["sh", "-c", limited], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "the memory that this process is allowed (4.1 GB, ulimit -v)"
