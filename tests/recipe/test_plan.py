"""The plan: every value with where it came from."""

from __future__ import annotations

import json
import tomllib

import pytest

from sightx_cli.recipe.files import find_folder, load_table
from sightx_cli.recipe.overrides import apply_overrides, find_overridden
from sightx_cli.recipe.plan import build_plan, list_rows, plan_to_json
from sightx_cli.recipe.recipe import parse_recipe

FILE = find_folder() / "medical-medium.toml"


def planned(*settings, facts=None):
    table = load_table(FILE)
    keys = find_overridden(table, settings)
    recipe = parse_recipe(apply_overrides(table, settings), str(FILE), keys)
    return build_plan(recipe, str(FILE), keys, facts or {}, "Because of 2,624 images.", "The table says so.")


def test_what_the_file_gives_is_from_the_recipe():
    item = planned().values["image.size_px"]
    assert (item.value, item.origin) == (300, "recipe")


def test_what_the_file_leaves_out_is_a_default():
    item = planned().values["training.warmup_epochs"]
    assert (item.value, item.origin) == (0, "default")


@pytest.mark.parametrize(
    ("setting", "key", "value"),
    [
        ("image.size_px=384", "image.size_px", 384),
        ("training.early_stop=2", "training.early_stop", 2),
        ("training.clip=none", "training.clip", None),
        ("stage.head.epochs=5", "stage.0.epochs", 5),
        ("stage.1.rate.backbone=1e-5", "stage.1.rate", {"head": 2e-3, "backbone": 1e-5}),
        ("model.head={dropout=0.5}", "model.head.dropout", 0.5),
        ('stage=[{train="head",epochs=5,rate=2e-3}]', "stage.0.train", "head"),
    ],
)
def test_what_an_option_set_is_from_the_option(setting, key, value):
    item = planned(setting).values[key]
    assert (item.value, item.origin) == (value, "option")


def test_an_option_leaves_the_origin_of_its_neighbours():
    values = planned("image.size_px=384").values
    assert [key for key, item in values.items() if item.origin == "option"] == ["image.size_px"]


def test_a_fact_of_the_data_stands_beside_the_recipe_and_takes_the_place_of_its_value():
    facts = {"data.images": (2_624, "data"), "training.metric": ("quadratic_kappa", "data")}
    values = planned(facts=facts).values
    assert values["data.images"].value == 2_624
    assert (values["training.metric"].value, values["training.metric"].origin) == ("quadratic_kappa", "data")


def test_an_origin_that_is_none_is_a_defect():
    with pytest.raises(ValueError, match="guess"):
        planned(facts={"data.images": (1, "guess")})


def test_the_json_holds_every_value_the_sentence_and_the_reason():
    plan = planned(facts={"data.images": (2_624, "data")})
    read = json.loads(json.dumps(plan_to_json(plan)))
    assert set(read["values"]) == set(plan.values)
    assert read["values"]["data.images"] == {"value": 2_624, "origin": "data"}
    assert (read["recipe"], read["sentence"]) == ("medical-medium", "Because of 2,624 images.")
    assert read["reason"] == "The table says so."


def test_every_key_of_the_file_is_in_the_plan():
    keys = set(planned().values)
    for table, part in tomllib.loads(FILE.read_text(encoding="utf-8")).items():
        if isinstance(part, dict):
            assert all(any(key.startswith(f"{table}.{name}") for key in keys) for name in part)


def test_the_short_table_leaves_out_prose_and_defaults():
    rows = list_rows(planned("image.size_px=384"))
    assert ("image.size_px", "384", "option") in rows
    assert ("stage.1.rate", "{head = 0.002, backbone = 0.0002}", "recipe") in rows
    assert not any(key.startswith(("explanation", "summary", "when")) or origin == "default" for key, _, origin in rows)
