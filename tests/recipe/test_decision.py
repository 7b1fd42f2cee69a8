"""The decision table: DESIGN's worked examples, every band edge, and what it refuses."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sightx_cli.errors import UsageError
from sightx_cli.recipe.catalog import list_recipes
from sightx_cli.recipe.decision import TABLE, VERDICTS, choose_recipe, describe_band

WORKED_EXAMPLES = [
    # what, images, shift, recipe, words that the strategy must say
    ("cat photos", 200, "similar", "natural-small", ["head only"]),
    ("cats and dogs", 300, "similar", "natural-small", ["head only"]),
    ("dermoscopy", 300, "different", "medical-small", ["head, then", "last 1-2 stages", "a tenth"]),
    ("dermoscopy", 2_000, "different", "medical-medium", ["deep stages", "head", "early stages stay frozen"]),
    ("chest X-rays", 5_000, "different", "medical-medium", ["last 2-3 stages", "head"]),
    ("X-rays", 10_000, "different", "medical-medium", ["last 2-3 stages"]),
    ("satellite", 50_000, "different", "medical-large", ["all of the network"]),
    ("satellite", 200_000, "different", "medical-large", ["all of the network"]),
    ("very different", 600_000, "different", "medical-huge", ["from scratch", "domain weights"]),
]


@pytest.mark.parametrize(("what", "images", "shift", "recipe", "words"), WORKED_EXAMPLES)
def test_a_worked_example_comes_out_as_designed(what, images, shift, recipe, words):
    choice = choose_recipe(images, shift)
    assert choice.recipe == recipe
    assert all(word in choice.strategy for word in words)


BAND_EDGES = [
    (999, "small"),
    (1_000, "medium"),
    (1_001, "medium"),
    (49_999, "medium"),
    (50_000, "large"),
    (50_001, "large"),
    (499_999, "large"),
    (500_000, "huge"),
    (500_001, "huge"),
    (1, "small"),
    (10**9, "huge"),
]


@pytest.mark.parametrize(("shift", "family"), [("similar", "natural"), ("different", "medical")])
@pytest.mark.parametrize(("images", "size"), BAND_EDGES)
def test_a_band_holds_its_low_end_and_not_its_high_end(images, size, shift, family):
    assert choose_recipe(images, shift).recipe == f"{family}-{size}"


@pytest.mark.parametrize("shift", VERDICTS)
def test_the_bands_of_a_shift_meet_without_gap_or_overlap(shift):
    cells = [cell for cell in TABLE if cell.shift == shift]
    assert cells[0].low == 0
    assert cells[-1].high is None
    assert all(cell.high == following.low for cell, following in pairwise(cells))


def test_every_cell_is_the_recipe_that_says_it_is_for_those_images():
    bands = {recipe.name: (*recipe.when.images, recipe.when.shift) for recipe in list_recipes()}
    assert bands == {cell.recipe: (cell.low, cell.high, cell.shift) for cell in TABLE}


def test_the_reason_names_the_number_of_images_and_the_shift():
    reason = choose_recipe(2_624, "different").reason
    assert "2,624 images (1,000 to 49,999)" in reason
    assert "unlike everyday photographs" in reason


@pytest.mark.parametrize("images", [0, -5])
def test_no_images_are_refused_with_the_number_found(images):
    with pytest.raises(UsageError, match=f"found {images} images; allowed: 1 or more"):
        choose_recipe(images, "similar")


def test_a_mistyped_shift_is_refused_with_the_nearest_right_one():
    with pytest.raises(UsageError, match='"similar" or "different"; did you mean "similar"') as caught:
        choose_recipe(100, "similiar")
    assert "--shift" in caught.value.hint


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0, 1_000, "fewer than 1,000"), (1_000, 50_000, "1,000 to 49,999"), (500_000, None, "500,000 or more")],
)
def test_a_band_is_said_in_words(low, high, words):
    assert describe_band(low, high) == words
