"""Memory of a training step that is kept for the next one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

ALLOCATE = """
import resource, sys
import numpy as np
from contextlib import nullcontext
from sightx_cli.startup.allocator import keeping_memory
from sightx_cli.startup.process import settle_process

def count_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(40_000_000, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == "settled":
    settle_process()
with nullcontext() if sys.argv[1] == "plain" else keeping_memory():
    np.ones(40_000_000, np.uint8)
    inside = count_faults()
print(inside, count_faults())
"""


def count_faults(how: str) -> tuple[int, int]:
    """Return the page faults of twenty large allocations inside the block and after it."""
    done = subprocess.run([sys.executable, "-c", ALLOCATE, how], capture_output=True, text=True, check=True)
    inside, after = map(int, done.stdout.split())
    return inside, after


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library decides for itself")
def test_memory_is_kept_within_the_block_and_given_back_after_it() -> None:
    plain, _ = count_faults("plain")
    inside, after = count_faults("settled")
    assert inside < plain / 10
    assert after > 10 * inside


def test_the_allocator_of_a_process_that_nobody_settled_is_left_alone() -> None:
    inside, after = count_faults("unsettled")
    assert min(inside, after) >= 20  # each of the twenty is mapped anew, and where pages are huge faults few times


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library decides for itself")
def test_memory_of_ordinary_size_is_used_again_after_the_block() -> None:
    code = ALLOCATE.replace("40_000_000", "5_000_000")
    done = subprocess.run([sys.executable, "-c", code, "settled"], capture_output=True, text=True, check=True)
    _, after = map(int, done.stdout.split())
    assert after < 20 * 5_000_000 / 4096 / 2


FREE = """
import os
import numpy as np
from sightx_cli.startup.allocator import returning_memory
from sightx_cli.startup.process import settle_process

def measure_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

settle_process()
with returning_memory() as is_done:
    assert is_done
    before = measure_bytes()
    columns = [np.ones(5_000_000, np.uint8) for _ in range(20)]
    held = measure_bytes()
    del columns[:-1]  # the last one lies behind the others
    print(held - before, measure_bytes() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library decides for itself")
def test_memory_of_tables_goes_back_as_it_is_freed() -> None:
    done = subprocess.run([sys.executable, "-c", FREE], capture_output=True, text=True, check=True)
    held, left = map(int, done.stdout.split())
    assert held > 90_000_000
    assert left < 10_000_000
