"""A recipe becomes a network: its backbone with its weights, and a fresh head for its classes."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from sightx_cli.model.backbone import build_network
from sightx_cli.model.classifier import build_backbone, build_classifier
from sightx_cli.model.weights_file import WeightsFile
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.files import load_table
from sightx_cli.recipe.overrides import apply_overrides
from sightx_cli.recipe.recipe import Recipe, parse_recipe


def open_recipe(name: str, *settings: str) -> Recipe:
    path = find_recipe(name)[1]
    return parse_recipe(apply_overrides(load_table(path), settings), str(path))


def test_the_recipes_backbone_taps_and_head_are_what_is_built() -> None:
    recipe = open_recipe("medical-small", "image.size_px=64", "model.head.hidden=[16]", "model.head.dropout=0.3")
    backbone, weights = build_backbone(recipe)
    model = build_classifier(backbone, recipe, 4)
    assert weights.origin.startswith("package ")
    assert backbone.tapped == tuple(range(7))  # taps = "all": every stage before the last
    assert [type(layer).__name__ for layer in model[1].children()] == [
        "FeatureScale",
        "Linear",
        "ReLU",
        "Dropout",
        "Linear",
    ]
    assert model.eval()(torch.zeros(2, 3, 64, 64)).shape == (2, 4)


def test_a_backbone_comes_in_eval_with_the_weights_in_it(tmp_path: Path) -> None:
    tensors = build_network("test_resnet", 64).state_dict()
    save_file(tensors, tmp_path / "own.safetensors")
    recipe = open_recipe("natural-small", "model.backbone=test_resnet", "image.size_px=64")
    backbone, _ = build_backbone(recipe, WeightsFile(tmp_path / "own.safetensors"))
    assert not any(module.training for module in backbone.modules())
    loaded = backbone.network.state_dict()
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)


def test_a_file_goes_before_random_weights_in_a_recipe_from_scratch(tmp_path: Path) -> None:
    save_file(build_network("test_resnet", 64).state_dict(), tmp_path / "domain.safetensors")
    recipe = open_recipe("medical-huge", "model.backbone=test_resnet", "image.size_px=64")
    assert build_backbone(recipe)[1].digest == "scratch"
    assert build_backbone(recipe, WeightsFile(tmp_path / "domain.safetensors"))[1].origin.endswith("domain.safetensors")
