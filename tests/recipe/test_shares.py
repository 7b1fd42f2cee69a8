"""Shares of a network's layers: which layers they are, and that they cover what they should."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sightx_cli.recipe.shares import cover_all, read_shares


def test_shares_are_read_earliest_first_and_the_head_stands_apart():
    shares = read_shares(["25-75%", "head", "0-25%", "75-100%"])
    assert [share.key for share in shares] == ["0-25%", "25-75%", "75-100%"]
    assert read_shares(["head", "layer4"]) == ()


@pytest.mark.parametrize(
    ("keys", "whole"),
    [
        (["0-100%"], True),
        (["0-12.5%", "12.5-100%"], True),
        (["0-25%", "50-100%"], False),
        (["10-100%"], False),
        (["0-99%"], False),
    ],
)
def test_shares_cover_all_where_they_run_from_0_to_100_without_a_gap(keys, whole):
    assert cover_all(read_shares(keys)) is whole


@given(cuts=some.sets(some.integers(1, 99), max_size=5), layers=some.integers(1, 200))
def test_shares_that_cover_all_hold_each_layer_exactly_once(cuts, layers):
    ends = [0, *sorted(cuts), 100]
    shares = read_shares([f"{low}-{high}%" for low, high in pairwise(ends)])
    held = [layer for share in shares for layer in range(layers)[share.slice_layers(layers)]]
    assert held == list(range(layers))
