"""One budget of threads for all that computes and reads."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightx_cli.engine.interface import ThreadBudget, measure_threads


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
