"""Calls on a GPU: few different numbers of images, and the last batch of many is filled up."""

from __future__ import annotations

import pytest

from sightx_cli.engine.whole_calls import FILLED_CALLS, CallCounts


@pytest.mark.parametrize(
    ("images", "most", "count"), [(1, 256, 1), (3, 256, 4), (243, 256, 256), (9, 12, 12), (16, 12, 16)]
)
def test_calls_have_few_sizes(images: int, most: int, count: int) -> None:
    assert CallCounts(most).choose(images) == count


def test_a_few_small_calls_are_filled_up_to_a_size_met_before() -> None:
    counts = CallCounts(256)
    assert [counts.choose(images) for images in (256, 52, 200, 100)] == [256, 256, 256, 256]
    assert [counts.choose(1) for _ in range(FILLED_CALLS + 2)] == [256] * FILLED_CALLS + [1, 1]
    assert counts.choose(2) == 256
    counts.forget_above(128)
    assert [counts.choose(2), counts.choose(1)] == [2, 1]
