"""A plan in plain words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sightx_cli.recipe.catalog import find_recipe, list_recipes
from sightx_cli.recipe.files import find_recipe_file, list_files, load_table
from sightx_cli.recipe.overrides import apply_overrides, find_overridden
from sightx_cli.recipe.plan import build_plan
from sightx_cli.recipe.recipe import Recipe, parse_recipe
from sightx_cli.recipe.words import (
    STAGES,
    describe_network,
    describe_plan,
    describe_training,
    describe_views,
    name_train_loss,
)


def change(name: str, *settings: str) -> tuple[Recipe, tuple[str, ...]]:
    table = load_table(find_recipe_file(name))
    overridden = find_overridden(table, settings)
    return parse_recipe(apply_overrides(table, settings), name, overridden), overridden


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("natural-small", (), "the head for 5 epochs; the network itself stays as it is"),
        (
            "medical-small",
            (),
            "the head for 3 epochs, then the last two of eight stages for 6 epochs, at a tenth of the head's rate",
        ),
        (
            "natural-large",
            (),
            "the head for 1 epoch, then the whole network for 8 epochs, each stage at 0.7 times the rate of the next",
        ),
        ("medical-huge", (), "the whole network for 40 epochs"),
        (
            "medical-small",
            ("stage.1.train=last:1", "model.backbone=resnet18"),
            "the head for 3 epochs, then the last stage for 6 epochs, at a tenth of the head's rate",
        ),
        ("medical-small", ("stage.1.train=last-blocks:3", "stage.1.rate=1e-4"), "the last three blocks for 6 epochs"),
        ("medical-small", ("stage.1.train=last:50%", "stage.1.rate=[1e-5, 1e-4]"), "the last 50% of the layers"),
    ],
)
def test_training_is_told_in_words(name: str, settings: tuple[str, ...], said: str) -> None:
    assert said in describe_training(change(name, *settings)[0])


@pytest.mark.parametrize("name", list(list_files()))
def test_every_shipped_recipe_can_be_told_in_words(name: str) -> None:
    recipe, path = find_recipe(name)
    plan = build_plan(recipe, str(path), (), {"data.train": (9, "data")}, "9 images.", "9 images are few. And so on.")
    rows = dict(describe_plan(plan))
    assert rows["why"] == "9 images are few"
    assert rows["images"] == "9 to train"
    assert not {"[", "{", "_", "="} & set("".join(rows[what] for what in ("trains", "views", "epoch kept")))


def test_what_the_user_and_the_images_changed_is_told_apart() -> None:
    recipe, overridden = change("natural-small", "image.size_px=128")
    facts: dict[str, Any] = {
        "data.train": (9, "data"),
        "training.metric": ("balanced_accuracy", "data"),
        "training.class_weights": ("balanced", "data"),
    }
    rows = dict(describe_plan(build_plan(recipe, "file", overridden, facts, "9 images.")))
    assert rows["by the images"] == "metric balanced accuracy, class weights balanced"
    assert rows["by you"] == "size px 128"
    assert rows["epoch kept"].endswith("by balanced accuracy")
    recipe, overridden = change("natural-medium", 'stage=[{train="last:3",epochs=2,rate=1e-4}]')
    of_stages = dict(describe_plan(build_plan(recipe, "file", overridden, {"data.train": (9, "data")}, "")))
    assert of_stages["by you"] == "stage 1 train last:3, stage 1 epochs 2, stage 1 rate 0.0001"
    untouched = dict(describe_plan(build_plan(change("natural-small")[0], "file", (), {"data.train": (9, "data")}, "")))
    assert {"by the images", "by you", "why"} & set(untouched) == set()


def test_views_are_counted_in_words() -> None:
    assert describe_views(change("natural-small")[0]) == "each training image as it is"
    assert "and one augmented view; profile medical" in describe_views(change("medical-small", "training.views=2")[0])
    four = change("medical-small")[0]
    assert "and three augmented views; profile medical" in describe_views(four)
    assert describe_views(change("natural-medium", 'image.off=["mirroring"]')[0]).endswith("; mirroring is off")
    assert "augmented afresh in every epoch" in describe_views(change("natural-large")[0])


def test_what_makes_the_loss_of_training_another_is_named() -> None:
    assert name_train_loss(change("natural-small", "training.views=1")[0]) == ""
    assert name_train_loss(change("medical-small")[0]) == "class weights, augmented views"
    assert "label smoothing" in name_train_loss(change("natural-large")[0])


@pytest.mark.parametrize("backbone", STAGES)
def test_the_stages_of_networks_are_counted_right(backbone: str) -> None:
    from sightx_cli.model.classifier import build_untrained

    recipe, _ = change("natural-small", f"model.backbone={json.dumps(backbone)}")
    assert len(build_untrained(recipe, 2)[0].stages) == STAGES[backbone]


def test_the_shipped_recipes_name_only_networks_whose_stages_are_known() -> None:
    assert {recipe.model.backbone for recipe in list_recipes()} <= set(STAGES)


def test_networks_side_by_side_are_each_named() -> None:
    recipe, _ = change("natural-small", "model.backbone=resnet18+mini_resnet")
    assert describe_network(recipe).startswith("resnet18 and mini_resnet side by side, pretrained")
