"""`--set key=value` over a recipe."""

from __future__ import annotations

import tomllib

import pytest

from sightx_cli.errors import RecipeError
from sightx_cli.recipe.files import find_folder, load_table
from sightx_cli.recipe.overrides import apply_overrides, find_overridden
from sightx_cli.recipe.recipe import parse_recipe, recipe_to_toml


@pytest.fixture
def table():
    return load_table(find_folder() / "medical-medium.toml")


def parsed(table, *settings):
    return parse_recipe(apply_overrides(table, settings), "mine.toml")


def refused(table, *settings):
    with pytest.raises(RecipeError) as caught:
        apply_overrides(table, settings)
    return caught.value


def test_a_number_replaces_a_number(table):
    assert parsed(table, "image.size_px=384").image.size_px == 384


def test_a_bare_word_is_a_string(table):
    assert parsed(table, "model.backbone=resnet50.a1_in1k").model.backbone == "resnet50.a1_in1k"


def test_a_value_may_hold_an_equals_sign_and_have_spaces_around_it(table):
    assert parsed(table, " summary = 'a = b' ").summary == "a = b"


def test_a_deep_key_is_reached(table):
    assert parsed(table, "model.head.hidden=[512, 128]").model.head.hidden == (512, 128)


@pytest.mark.parametrize("stage", ["1", "last:2"])
def test_a_stage_goes_by_its_number_or_by_what_it_trains(table, stage):
    assert parsed(table, f"stage.{stage}.epochs=5").stage[1].epochs == 5


def test_a_stage_goes_by_its_name_also_one_given_just_before(table):
    assert parsed(table, "stage.1.name=deep", "stage.deep.epochs=5").stage[1].epochs == 5


def test_all_stages_are_replaced_at_once(table):
    recipe = parsed(table, 'stage=[{train="head",epochs=5,rate=2e-3}]')
    assert [(stage.train, stage.epochs, stage.rate) for stage in recipe.stage] == [("head", 5, 2e-3)]


def test_a_rate_within_a_table_of_rates_is_set_by_itself(table):
    assert parsed(table, "stage.1.rate.backbone=1e-5").stage[1].rate == {"head": 2e-3, "backbone": 1e-5}


def test_a_group_with_a_dot_in_its_name_is_one_key(table):
    settings = ["stage.1.rate={head=1e-3}", "stage.1.rate.blocks.6=1e-5"]
    assert parsed(table, *settings).stage[1].rate == {"head": 1e-3, "blocks.6": 1e-5}


def test_none_takes_out_what_may_be_left_out(table):
    assert parsed(table, "training.clip=none").training.clip is None


def test_none_is_a_word_where_it_is_a_choice(table):
    recipe = parsed(table, "training.class_weights=none", "image.profile=none")
    assert (recipe.training.class_weights, recipe.image.profile) == ("none", "none")


def test_later_settings_come_after_earlier_ones(table):
    assert parsed(table, "image.size_px=100", "image.size_px=200").image.size_px == 200


def test_the_table_given_is_left_as_it_was(table):
    apply_overrides(table, ["stage.0.epochs=9", "model.head.dropout=0.5"])
    assert table == load_table(find_folder() / "medical-medium.toml")


@pytest.mark.parametrize(
    ("setting", "nearest"),
    [
        ("image.size=384", "image.size_px"),
        ("size_px=384", "image.size_px"),
        ("epochs=3", "stage.0.epochs"),
        ("stage.0.epoch=3", "stage.0.epochs"),
        ("trainig.views=3", "training"),
        ("model.head.tap=all", "model.head.taps"),
        ("stage.hed.epochs=3", "head"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_right_one(table, setting, nearest):
    assert f'did you mean "{nearest}"?' in refused(table, setting).message


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("image.size_px", "allowed: key=value"),
        ("=3", "allowed: key=value"),
        ("stage.2.epochs=3", 'allowed: "0", "1", "head" or "last:2"'),
        ("stage.-1.epochs=3", 'allowed: "0", "1"'),
        ("image.size_px.wide=3", "within a plain value; allowed: image.size_px=value"),
        ("stage.0.rate.head=1e-3", "allowed: set it whole"),
        ("stage=[{train=head]", "allowed: a TOML value"),
        ("model.backbone='resnet", "allowed: a TOML value"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_what_is_allowed(table, setting, words):
    assert words in refused(table, setting).message


def test_all_settings_at_fault_are_reported_at_once(table):
    error = refused(table, "image.size=3", "epoch", "image.size_px=4")
    assert len(error.faults) == 2
    assert error.hint


def test_two_stages_that_train_the_same_go_by_number(table):
    error = refused(table, "stage.1.train=head", "stage.head.epochs=3")
    assert 'allowed: one by its number, "0" or "1"' in error.message


def test_a_value_smuggling_a_second_key_is_a_string(table):
    assert apply_overrides(table, ["summary=1\nname = 2"])["summary"] == "1\nname = 2"


def test_the_keys_set_are_found_with_stages_by_number(table):
    settings = ["image.size_px=384", "stage.head.epochs=5", "stage.1.rate.head=1e-3"]
    assert find_overridden(table, settings) == ("image.size_px", "stage.0.epochs", "stage.1.rate.head")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("image.page=3", 3),
        ("image.bands=[3, 2, 1]", (3, 2, 1)),
        ("image.bands=[4]", (4,)),
        ("image.range=file", "file"),
        ("image.range=lung", "lung"),
        ("image.range=[-160, 240.5]", (-160.0, 240.5)),
    ],
)
def test_how_pixels_are_taken_can_be_set_and_is_written_down(table, setting, value):
    recipe = parsed(table, setting)
    key = setting.partition("=")[0].removeprefix("image.")
    assert getattr(recipe.image, key) == value
    assert parse_recipe(tomllib.loads(recipe_to_toml(recipe)), "again") == recipe


@pytest.mark.parametrize(
    "setting",
    [
        *("image.page=0", "image.page=two", "image.bands=3", "image.bands=[0]", "image.bands=[1,1]"),
        *("image.bands=[1,2,3,4]", "image.range=wide", "image.range=[5,5]", "image.range=[1]", "image.range=[0,true]"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(table, setting):
    with pytest.raises(RecipeError, match="allowed: "):
        parsed(table, setting)
