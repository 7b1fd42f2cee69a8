"""The recipes that come with SightX: each file in the folder is tested by being there."""

from __future__ import annotations

import tomllib

import pytest

from sightx_cli.recipe.catalog import list_recipes
from sightx_cli.recipe.decision import TABLE
from sightx_cli.recipe.files import find_folder, list_files, list_reference_summaries
from sightx_cli.recipe.recipe import load_recipe, parse_recipe, recipe_to_toml

FILES = sorted(find_folder().glob("*.toml"))
every_file = pytest.mark.parametrize("file", list_files().values(), ids=lambda file: file.stem)
every_table_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
every_medical = pytest.mark.parametrize("name", [cell.recipe for cell in TABLE if cell.shift == "different"])


def shipped(name):
    return next(recipe for recipe in list_recipes() if recipe.name == name)


@every_file
def test_a_shipped_recipe_loads_and_bears_the_name_of_its_file(file):
    assert load_recipe(file).name == file.stem


@every_file
def test_a_shipped_recipe_explains_itself_in_three_sentences_and_names_what_it_is_based_on(file):
    explanation = load_recipe(file).explanation
    sentences, based_on = explanation.split(" Based on ")
    assert len(sentences.split(". ")) == 3
    assert "It is right for" in sentences
    assert "It is wrong" in sentences
    assert "arXiv" in based_on


@every_file
def test_a_shipped_recipe_survives_being_written_and_read_again(file):
    recipe = load_recipe(file)
    assert parse_recipe(tomllib.loads(recipe_to_toml(recipe)), "copy.toml") == recipe


@every_table_file
def test_after_a_head_stage_the_backbone_starts_low(file):
    """A head that starts from a solved linear probe is destroyed by a peak of 9e-4 and backbone 3e-4.

    Where epochs are judged and kept by the running average of the weights, on a course that only falls, four times the
    other recipes' rates gain what these do not.
    """
    recipe = load_recipe(file)
    averaged = recipe.training.weight_average > 0 and recipe.training.schedule == "cosine"
    for stage in recipe.stage[1:]:
        assert isinstance(stage.rate, dict)
        assert stage.rate["head"] <= (2e-3 if averaged else 5e-4) or stage.train == "all"
        assert stage.rate.get("backbone", 0) <= (3e-4 if averaged else 5e-5)


def test_where_the_last_stages_are_tuned_the_running_average_of_the_weights_is_kept():
    averaged = {recipe.name for recipe in list_recipes() if recipe.training.weight_average}
    assert averaged == {recipe.name for recipe in list_recipes() if str(recipe.stage[-1].train).startswith("last:")}
    assert averaged == {"natural-medium", "medical-small", "medical-medium"}


@pytest.mark.parametrize(
    ("name", "backbone", "size_px", "views"),
    [
        ("natural-small", "tf_efficientnet_lite2", 260, 1),
        ("natural-medium", "tf_efficientnet_lite2", 260, 2),
        ("medical-small", "tf_efficientnet_lite0", 300, 4),
        ("medical-medium", "tf_efficientnet_lite0", 300, 1),
    ],
)
def test_a_recipe_of_up_to_50_000_images_has_the_network_size_and_views_that_were_the_best_of_those_measured(
    name, backbone, size_px, views
):
    recipe = shipped(name)
    assert (recipe.model.backbone, recipe.image.size_px, recipe.training.views) == (backbone, size_px, views)


def test_the_decision_table_picks_no_reference_recipe_and_no_two_recipes_share_a_name():
    references = [one.name for one in list_reference_summaries()]
    assert references
    assert not set(references) & ({cell.recipe for cell in TABLE} | {recipe.name for recipe in list_recipes()})
    assert list(list_files()) == [file.stem for file in FILES] + references


def test_every_cell_of_the_table_has_its_recipe_and_the_list_is_in_its_order():
    assert [recipe.name for recipe in list_recipes()] == [cell.recipe for cell in TABLE]


@pytest.mark.parametrize(
    ("name", "trains"),
    [
        ("natural-small", ["head"]),
        ("natural-medium", ["head", "last:2"]),
        ("natural-large", ["head", "all"]),
        ("natural-huge", ["head", "all"]),
        ("medical-small", ["head", "last:2"]),
        ("medical-medium", ["head", "last:2"]),
        ("medical-large", ["head", "all"]),
        ("medical-huge", ["all"]),
    ],
)
def test_a_recipe_trains_what_its_cell_of_the_table_says(name, trains):
    assert [stage.train for stage in shipped(name).stage] == trains


@pytest.mark.parametrize("name", ["medical-small", "medical-medium"])
def test_images_unlike_photographs_tune_the_last_stages_at_a_tenth_of_the_head_rate(name):
    assert shipped(name).stage[1].rate == {"head": 2e-3, "backbone": 2e-4}


@pytest.mark.parametrize("name", ["natural-large", "natural-huge", "medical-large"])
def test_where_all_trains_the_rates_are_discriminative(name):
    assert set(shipped(name).stage[-1].rate) == {"head", "decay"}


def test_only_medical_huge_begins_from_scratch():
    assert [recipe.name for recipe in list_recipes() if recipe.model.weights == "scratch"] == ["medical-huge"]


@every_medical
def test_a_medical_recipe_cuts_nothing_off_and_reads_every_depth_and_weighs_classes_alike(name):
    recipe = shipped(name)
    assert recipe.image.fit == "pad"
    assert recipe.image.profile == "medical"
    assert recipe.model.head.taps == "all"
    assert recipe.training.class_weights == "balanced"
    assert recipe.training.metric == "roc_auc"
