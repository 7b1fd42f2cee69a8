"""Why much of a network trains, and whether its images carry that: numbers in words, and the table's boundaries."""

from __future__ import annotations

from typing import Any

import pytest

from sightx_cli.recipe.capacity import PartSize, explain_share, find_least_images, judge_capacity

RESNET50 = [
    PartSize("stem", 9_536, 0, 118),
    PartSize("layer1", 215_808, 0, 668),
    PartSize("layer2", 1_219_584, 0, 1_028),
    PartSize("layer3", 7_098_368, 0, 1_464),
    PartSize("layer4", 14_964_736, 14_964_736, 809),
    PartSize("head", 1_051_653, 1_051_653, 1),
]
"""ResNet50 with 2048 → 512 → 5, layer4 and head trained; multiply-adds in millions."""


def test_a_high_share_is_explained_by_the_widest_stage_and_its_numbers() -> None:
    said = explain_share(RESNET50)
    assert said is not None
    assert said.startswith("16,016,389 of 24,559,685 parameters train (65.21 %); layer4 alone holds 14,964,736 of ")
    assert "23,508,032 backbone parameters (64 %) for 20 % of its multiply-adds" in said


def test_a_share_below_half_needs_no_explanation() -> None:
    halves = [PartSize("a", 50, 0, 1), PartSize("head", 50, 49, 1)]
    assert explain_share(halves) is None
    assert explain_share([halves[0], PartSize("head", 50, 50, 1)]) is not None


def test_a_head_as_large_as_the_backbone_is_named() -> None:
    assert "the head alone holds 60, the backbone 50" in str(
        explain_share([PartSize("a", 50, 0, 1), PartSize("head", 60, 60, 1)])
    )


def test_a_network_that_trains_whole_is_said_to() -> None:
    assert "every stage of the backbone trains" in str(
        explain_share([PartSize("a", 9, 9, 1), PartSize("head", 1, 1, 1)])
    )


@pytest.mark.parametrize(
    ("trained", "shift", "images"),
    [
        (0, "similar", 0),
        (1, "similar", 1_000),
        (2, "similar", 1_000),
        (3, "similar", 50_000),
        (5, "similar", 50_000),
        (0, "different", 0),
        (2, "different", 0),
        (3, "different", 1_000),
        (4, "different", 50_000),
        (5, "different", 50_000),
    ],
)
def test_the_table_says_from_how_many_images_on_so_many_stages_train(trained: int, shift: str, images: int) -> None:
    assert find_least_images(trained, 5, shift) == images


@pytest.mark.parametrize("how", [{"has_hidden_layers": True}, {"rate_ratio": 1.0}, {"rate_ratio": 0.2}], ids=str)
def test_few_images_carry_a_stage_only_behind_a_linear_head_and_at_a_tenth_of_its_rate(how: dict[str, Any]) -> None:
    assert judge_capacity(RESNET50, (300, 300), "different", is_run=True, rate_ratio=0.1).is_enough is True
    judged = judge_capacity(RESNET50, (300, 300), "different", is_run=True, **how)
    assert (judged.is_enough, judged.least_images) == (False, 1_000)


def test_a_recipe_is_judged_by_both_ends_of_its_band() -> None:
    judged = judge_capacity(RESNET50, (1_000, 50_000), "different")
    assert judged.parameters_per_image == (16_016.4, 320.3)
    assert judged.is_enough
    assert "1,000 to 49,999 images unlike everyday photographs: 16,016 trainable parameters for each" in judged.ratio
    assert "there are enough images" in judged.rule


@pytest.mark.parametrize(("images", "enough"), [(999, False), (1_000, True), (1_001, True)])
def test_a_run_is_judged_by_its_own_number_of_images(images: int, enough: bool) -> None:
    judged = judge_capacity(RESNET50, (images, images), "similar", is_run=True)
    assert judged.is_enough is enough
    assert judged.ratio.startswith(f"{images:,} training images: {16_016_389 / images:,.0f} trainable")
    assert ("sightx recipes decide --images 999 --shift similar" in judged.rule) is not enough


@pytest.mark.parametrize(("band", "enough"), [((0, 1_000), False), ((500, 5_000), None), ((1_000, None), True)])
def test_a_band_on_both_sides_of_the_tables_number_is_neither(
    band: tuple[int, int | None], enough: bool | None
) -> None:
    assert judge_capacity(RESNET50, band, "similar").is_enough is enough


def test_the_table_is_not_asked_about_random_weights_or_a_wide_head() -> None:
    wide = [PartSize("a", 50, 0, 1), PartSize("head", 60, 60, 1)]
    assert judge_capacity(wide, (10, 20), "similar").is_enough is True
    judged = judge_capacity(wide, (10, 20), "similar", has_hidden_layers=True)
    assert (judged.is_enough, judged.least_images) == (None, None)
    assert "it says nothing about one of 60 parameters that starts from random weights" in judged.rule
    scratch = judge_capacity(RESNET50, (10, 20), "similar", is_scratch=True)
    assert scratch.is_enough is None
    assert "with 500,000 images or more" in scratch.rule
