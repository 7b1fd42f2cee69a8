"""The processes of a fit: found in the environment, and each given its part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightx_cli.errors import ProcessLost, UsageError
from sightx_cli.processes import ALONE, Processes, find_processes, noticing_loss

MEETING = {"MASTER_ADDR": "node1", "MASTER_PORT": "29500"}
counts = st.integers(1, 9)


def list_all(count: int) -> list[Processes]:
    return [Processes(rank, count) for rank in range(count)]


@given(counts, st.integers(1, 40))
def test_the_parts_of_a_batch_are_the_batch_and_differ_by_one_row(count: int, size: int) -> None:
    rows = np.arange(size) + 100
    parts = [one.cut(rows) for one in list_all(count)]
    sizes = [len(part) for part in parts]
    assert min(sizes) >= 1
    assert max(sizes) - min(sizes) <= 1
    assert size < count or np.concatenate(parts).tolist() == rows.tolist()
    assert size >= count or all(part.tolist() == rows.tolist() for part in parts)  # each learns from all of it


@given(counts, st.integers(0, 40))
def test_the_spans_of_a_list_are_the_list(count: int, size: int) -> None:
    items = list(range(size))
    spans = [one.cut_span(size) for one in list_all(count)]
    assert [item for span in spans for item in items[span]] == items
    assert sorted(item for one in list_all(count) for item in one.split(items)) == items


def test_one_process_is_given_everything_and_meets_nobody() -> None:
    rows = np.arange(5)
    assert ALONE.cut(rows) is rows
    assert ALONE.join_rows(rows) is rows
    assert ALONE.share(rows) is rows
    assert ALONE.gather(3) == [3]
    assert ALONE.place("cuda:1") == "cuda:1"
    ALONE.wait()


@pytest.mark.parametrize("told", [{}, {"WORLD_SIZE": "1"}, {"WORLD_SIZE": "", "RANK": "3"}, {"WORLD_SIZE": "many"}])
def test_nothing_in_the_environment_is_one_process(told: dict[str, str]) -> None:
    assert find_processes(told) is ALONE


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"RANK": "5", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4"}, Processes(5, 8, 1, 4)),
        ({"SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NTASKS_PER_NODE": "4"}, Processes(5, 8, 1, 4)),
        ({"RANK": "5", "LOCAL_WORLD_SIZE": "4"}, Processes(5, 8, 1, 4)),
        ({"RANK": "5"}, Processes(5, 8, 5, 8)),
    ],
    ids=["torchrun", "slurm", "no local rank", "rank alone"],
)
def test_a_process_is_found_as_it_was_started(told: dict[str, str], found: Processes) -> None:
    assert find_processes({"WORLD_SIZE": "8", **MEETING, **told}) == found
    assert found.machines == 8 // found.local_count


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (MEETING, "RANK is not set"),
        ({"RANK": "1"}, "MASTER_ADDR and MASTER_PORT are not set"),
        ({"RANK": "1", "MASTER_ADDR": "node1"}, "MASTER_PORT is not set"),
        ({"RANK": "2", **MEETING}, "RANK is 2 of 2 processes"),
    ],
)
def test_half_a_description_is_refused_with_what_lacks(told: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_processes({"WORLD_SIZE": "2", **told})


def test_each_process_has_a_device_of_its_own() -> None:
    assert Processes(1, 2, 1, 2).place("cpu") == "cpu"
    with pytest.raises(UsageError, match="--device cuda:1: each of 2 processes needs a device of its own"):
        Processes(1, 2, 1, 2).place("cuda:1")
    with pytest.raises(UsageError, match="2 processes on a machine with 0 GPUs"):
        Processes(1, 2, 1, 2).place("cuda")


def test_a_process_that_is_shown_one_gpu_alone_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    third = Processes(6, 8, 2, 4)
    assert third.number_device(4) == 2
    assert third.number_device(2) is None
    assert third.number_device(1) is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6")  # as SLURM's --gpus-per-task=1
    assert third.number_device(1) == 0


def test_the_end_of_another_process_is_told_from_a_fault_of_this_one() -> None:
    with pytest.raises(ProcessLost), noticing_loss():
        raise RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer [127.0.0.1]:9999")
    with pytest.raises(RuntimeError, match="mat1 and mat2"), noticing_loss():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
