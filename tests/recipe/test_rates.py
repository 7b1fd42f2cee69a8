"""The learning-rate rule: DESIGN's numbers to the digit, every form of `rate`, and the laws that hold for all."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sightx_cli.errors import RecipeError
from sightx_cli.recipe.rates import Rate, read_rate, resolve_rates, scale_rate

GROUPS = ["stem", "blocks.5", "blocks.6", "head"]
rates = some.floats(1e-7, 1.0)
group_lists = some.integers(0, 12).map(lambda count: [f"blocks.{place}" for place in range(count)] + ["head"])


def test_head_rate_1e_3_and_decay_a_tenth_give_three_groups_1e_5_1e_4_1e_3():
    resolved = resolve_rates({"head": 1e-3, "decay": 0.1}, ["layer3", "layer4", "head"])
    assert list(resolved.values()) == pytest.approx([1e-5, 1e-4, 1e-3])


def test_head_rate_5e_4_and_decay_0_3_give_the_first_of_three_groups_4_5e_5():
    resolved = resolve_rates({"head": 5e-4, "decay": 0.3}, ["layer3", "layer4", "head"])
    assert resolved["layer3"] == pytest.approx(4.5e-5)


def test_a_number_is_the_rate_of_every_group():
    assert resolve_rates(1e-3, GROUPS) == dict.fromkeys(GROUPS, 1e-3)


def test_low_and_high_are_spread_in_equal_ratios_to_the_head():
    resolved = resolve_rates((1e-6, 1e-3), GROUPS)
    assert list(resolved.values()) == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3])


def test_low_and_high_on_one_group_are_high():
    assert resolve_rates((1e-6, 1e-3), ["head"]) == {"head": 1e-3}


def test_head_and_backbone_part_the_groups_in_two():
    resolved = resolve_rates({"head": 5e-4, "backbone": 5e-5}, GROUPS)
    assert resolved == {"stem": 5e-5, "blocks.5": 5e-5, "blocks.6": 5e-5, "head": 5e-4}


def test_by_group_each_group_has_its_own_rate():
    rate = {"stem": 1e-6, "blocks.5": 1e-5, "blocks.6": 1e-4, "head": 1e-3}
    assert resolve_rates(rate, GROUPS) == rate


def test_by_group_a_prefix_stands_for_all_its_groups_and_a_whole_name_comes_before_it():
    resolved = resolve_rates({"stem": 1e-6, "blocks": 1e-5, "blocks.6": 1e-4, "head": 1e-3}, GROUPS)
    assert resolved == {"stem": 1e-6, "blocks.5": 1e-5, "blocks.6": 1e-4, "head": 1e-3}


def test_a_prefix_ends_at_a_dot():
    with pytest.raises(RecipeError):
        resolve_rates({"blocks.1": 1e-5, "head": 1e-3}, ["blocks.10", "head"])


def test_by_group_every_wrong_key_and_every_group_without_a_rate_is_reported_at_once():
    with pytest.raises(RecipeError) as caught:
        resolve_rates({"blocks.5": 1e-5, "block.6": 1e-4, "layer4": 1e-3, "head": 1e-3}, GROUPS)
    faults = caught.value.faults
    assert len(faults) == 3
    assert 'found group "block.6"' in faults[0]
    assert 'did you mean "blocks.6"?' in faults[0]
    assert 'found group "layer4"' in faults[1]
    assert '"stem" or "blocks.6"' in faults[2]


@given(head=rates, decay=some.floats(0.01, 1.0), groups=group_lists)
def test_with_decay_no_group_learns_faster_than_a_later_one_and_the_head_has_its_rate(head, decay, groups):
    resolved = list(resolve_rates({"head": head, "decay": decay}, groups).values())
    assert resolved == sorted(resolved)
    assert resolved[-1] == head


@given(low=rates, high=rates, groups=group_lists)
def test_between_low_and_high_rates_rise_and_stay_within(low, high, groups):
    low, high = sorted((low, high))
    resolved = list(resolve_rates((low, high), groups).values())
    assert all(rate <= later * (1 + 1e-9) for rate, later in pairwise(resolved))
    assert all(low * (1 - 1e-9) <= rate <= high * (1 + 1e-9) for rate in resolved)
    assert resolved[-1] == high


@given(
    rate=some.one_of(
        rates,
        some.tuples(rates, rates).map(lambda pair: tuple(sorted(pair))),
        some.fixed_dictionaries({"head": rates, "backbone": rates}),
        some.fixed_dictionaries({"head": rates, "decay": rates}),
    ),
    groups=group_lists,
)
def test_every_form_gives_every_trained_group_one_rate_in_order(rate, groups):
    resolved = resolve_rates(read_rate(rate), groups)
    assert list(resolved) == groups


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1e-3, 11, True, "1e-3", float("nan"), float("inf"), None),
        *([], [1e-3], [1e-3, 1e-4], [1e-5, 1e-4, 1e-3]),
        *({}, {"head": 0}, {"head": "x", "backbone": 1e-4}, {"decay": 0.1}),
        *({"head": 1e-3, "decay": 1.5}, {"head": 1e-3, "decay": 0.1, "backbone": 1e-4}),
    ],
)
def test_what_is_no_rate_is_refused(value):
    with pytest.raises(ValueError, match=r"number|low|keys"):
        read_rate(value)


@pytest.mark.parametrize(
    ("rate", "scaled"),
    [
        (1e-3, 2e-3),
        ((1e-5, 1e-3), (2e-5, 2e-3)),
        ({"head": 5e-4, "backbone": 5e-5}, {"head": 1e-3, "backbone": 1e-4}),
        ({"head": 1e-3, "decay": 0.1}, {"head": 2e-3, "decay": 0.1}),
    ],
)
def test_every_form_of_a_rate_scales_and_a_decay_stays(rate: Rate, scaled: Rate) -> None:
    assert scale_rate(rate, 2.0) == scaled
