"""The published figures of the reference recipes, on the networks that they build (random weights: none is trained)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn

from sightx_cli.model.backbone import Backbone, build_network
from sightx_cli.model.head import build_head
from sightx_cli.model.parameter_groups import Group, build_stage_groups, find_cut, stage_rates
from sightx_cli.model.tail import drop_behind_map
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.files import list_reference_summaries, load_table
from sightx_cli.recipe.overrides import apply_overrides
from sightx_cli.recipe.recipe import Recipe, parse_recipe

Open = Callable[..., Backbone]


def open_recipe(name: str, *settings: str) -> Recipe:
    path = find_recipe(name)[1]
    return parse_recipe(apply_overrides(load_table(path), settings), str(path))


def open_stage(open_backbone: Open, name: str, classes: int = 5, number: int = 0, *settings: str) -> tuple[Group, ...]:
    """The groups of a recipe's training stage, on its own network."""
    recipe = open_recipe(name, *settings)
    backbone = open_backbone(recipe.model.backbone, 64, recipe.model.head.taps)
    head = build_head(backbone.feature_count, classes, recipe.model.head.hidden, recipe.model.head.dropout)
    return build_stage_groups(backbone, head, recipe.stage[number])


def count(groups: Sequence[Group], trained: bool | None = None) -> int:
    chosen = [group for group in groups if trained is None or group.trained is trained]
    return sum(parameter.numel() for group in chosen for parameter in group.parameters)


def name_rates(name: str, groups: Sequence[Group], number: int = 0) -> dict[str, float]:
    rates = stage_rates(open_recipe(name).stage[number], groups)
    return {group.name: rate for group, rate in zip(groups, rates, strict=True) if group.trained}


def test_sightx_dr_trains_65_percent_of_its_24_559_685_parameters(open_backbone: Open) -> None:
    groups = open_stage(open_backbone, "sightx-dr")
    assert (count(groups), count(groups, True)) == (24_559_685, 16_016_389)
    assert round(100 * count(groups, True) / count(groups), 2) == 65.21
    assert [group.name for group in groups if group.trained] == ["layer4", "head"]


def test_sightx_dr_takes_one_image_of_224_px_to_five_grades(open_backbone: Open) -> None:
    recipe = open_recipe("sightx-dr")
    backbone = open_backbone("resnet50", 64, "last")
    model = nn.Sequential(backbone, build_head(backbone.feature_count, 5, recipe.model.head.hidden)).eval()
    assert recipe.image.size_px == 224
    assert model(torch.zeros(1, 3, 224, 224)).shape == (1, 5)


@pytest.mark.parametrize(
    ("name", "features"),
    [("resnet50-flatten", 100_352), ("vgg16-flatten", 25_088), ("efficientnet-flatten", 62_720)],
)
def test_a_flattened_map_has_the_features_of_its_224_px_and_only_the_head_trains(name: str, features: int) -> None:
    recipe = open_recipe(name)
    (stage,), head = recipe.stage, recipe.model.head
    assert (stage.train, head.pool, head.hidden, recipe.image.size_px) == ("head", "flatten", (256,), 224)
    with torch.device("meta"):  # shapes alone: VGG16 with its 4096 takes seconds to fill
        network = build_network(recipe.model.backbone, 224)
        drop_behind_map(network, 224)
        flat = network.forward_features(torch.zeros(1, 3, 224, 224)).flatten(1)  # type: ignore[operator]
        layers = [layer for layer in build_head(flat.shape[1], 5, head.hidden) if isinstance(layer, nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in layers] == [(256, features), (5, 256)]
    if name == "vgg16-flatten":
        assert sum(p.numel() for p in network.parameters()) == 14_714_688  # the thirteen convolutions alone


def test_resnet50_frozen_trains_only_its_head_of_1024(open_backbone: Open) -> None:
    groups = open_stage(open_backbone, "resnet50-frozen")
    assert count(groups, True) == 2048 * 1024 + 1024 + 1024 * 5 + 5
    assert count(groups, False) == 23_508_032


def test_resnet50_half_trains_half_of_the_leaf_layers_by_count(open_backbone: Open) -> None:
    network = open_backbone("resnet50", 64, "last").network
    layers = [name for name, module in network.named_modules() if list(module.parameters(recurse=False))]
    trained = {
        id(p) for group in open_stage(open_backbone, "resnet50-half")[:-1] if group.trained for p in group.parameters
    }
    moving = [name for name in layers if any(id(p) in trained for p in network.get_submodule(name).parameters())]
    assert len(layers) == 106
    assert moving == layers[53:]


def test_resnet50_three_rates_has_a_group_for_each_share_of_the_layers(open_backbone: Open) -> None:
    groups = open_stage(open_backbone, "resnet50-three-rates")
    assert name_rates("resnet50-three-rates", groups) == {"0-25%": 1e-6, "25-75%": 1e-5, "75-100%": 1e-4, "head": 1e-4}
    network = open_backbone("resnet50", 64, "last").network
    layer_of = {id(p): name.rpartition(".")[0] for name, p in network.named_parameters()}
    layers = [len({layer_of[id(p)] for p in group.parameters}) for group in groups[:-1]]
    assert layers == [26, 53, 27]
    assert count(groups, True) == count(groups)


@pytest.mark.parametrize(
    ("name", "trained"),
    [("mobilenetv2-features", 6_405), ("mobilenetv2-partial", 1_212_485), ("mobilenetv2-full", 2_230_277)],
)
def test_the_strategies_of_mobilenetv2_train_what_the_figures_say(open_backbone: Open, name: str, trained: int) -> None:
    groups = open_stage(open_backbone, name)
    assert (count(groups), count(groups, True)) == (2_230_277, trained)
    assert count(open_stage(open_backbone, "mobilenetv2-features", 4), True) == 5_124


def test_mobilenetv2_partial_trains_its_blocks_at_a_tenth_of_the_head_s_rate(open_backbone: Open) -> None:
    groups = open_stage(open_backbone, "mobilenetv2-partial")
    assert name_rates("mobilenetv2-partial", groups) == {"blocks.5": 1e-4, "blocks.6": 1e-4, "head": 1e-3}


@pytest.mark.parametrize(
    ("number", "rates"),
    [
        (0, {"head": 1e-3}),
        (1, {"blocks.6 (joins after 1)": 1e-4, "head": 1e-3}),
        (2, {"blocks.5": 1e-4, "blocks.6": 1e-4, "head": 1e-3}),
        (3, {"blocks.4": 1e-4, "blocks.5": 1e-4, "blocks.6": 1e-4, "head": 1e-3}),
    ],
)
def test_mobilenetv2_progressive_has_these_groups_and_rates_at_each_step(
    open_backbone: Open, number: int, rates: dict[str, float]
) -> None:
    groups = open_stage(open_backbone, "mobilenetv2-progressive", 5, number)
    assert name_rates("mobilenetv2-progressive", groups, number) == pytest.approx(rates)


def test_what_joins_later_lies_behind_the_cut_of_its_stage(open_backbone: Open) -> None:
    backbone = open_backbone("mobilenetv2_100", 64, "last")
    groups = open_stage(open_backbone, "mobilenetv2-progressive", 5, 1)
    assert backbone.stage_names[find_cut(backbone, groups)] == "blocks.6"


@pytest.mark.parametrize(("last", "trained"), [(1, 14_964_736), (2, 22_063_104), (3, 23_282_688), (4, 23_498_496)])
def test_resnet50_stages_trains_the_last_n_stages(open_backbone: Open, last: int, trained: int) -> None:
    groups = open_stage(open_backbone, "resnet50-stages", 5, 0, f"stage.0.train=last:{last}")
    assert count(groups, True) - (2048 * 5 + 5) == trained
    assert [group.name for group in groups if group.trained][-last - 1 :] == [
        *("layer1", "layer2", "layer3", "layer4")[-last:],
        "head",
    ]


def test_full_five_rates_gives_every_group_its_rate(open_backbone: Open) -> None:
    assert name_rates("full-five-rates", open_stage(open_backbone, "full-five-rates")) == {
        "stem": 1e-5,
        "layer1": 1e-5,
        "layer2": 1e-5,
        "layer3": 1e-4,
        "layer4": 1e-4,
        "head": 1e-3,
    }


def test_xray_grey_is_the_system_that_it_says(open_backbone: Open) -> None:
    recipe = open_recipe("xray-grey")
    training, (stage,) = recipe.training, recipe.stage
    assert (recipe.model.grey, recipe.model.head.dropout, recipe.model.head.hidden) == ("sum", 0.5, ())
    assert (training.optimizer, training.weight_decay, training.clip, training.metric) == ("adamw", 1e-4, 1.0, "loss")
    assert (training.schedule, training.warmup_epochs, stage.epochs) == ("cosine", 5, 30)
    assert (recipe.image.size_px, recipe.image.fit, recipe.image.profile) == (224, "crop", "medical")
    rates = name_rates("xray-grey", open_stage(open_backbone, "xray-grey"))
    assert rates == {**dict.fromkeys(("stem", "layer1", "layer2", "layer3", "layer4"), 1e-4), "head": 1e-3}


def test_the_reference_recipes_are_those_of_the_table() -> None:
    flatten = {"resnet50-flatten", "vgg16-flatten", "efficientnet-flatten"}
    resnet = {"resnet50-frozen", "resnet50-half", "resnet50-three-rates", "resnet50-stages", "full-five-rates"}
    mobile = {f"mobilenetv2-{name}" for name in ("features", "partial", "full", "progressive")}
    others = {"sightx-dr", "xray-grey", "mini-resnet", "mini-separable"}
    assert others | flatten | resnet | mobile == {one.name for one in list_reference_summaries()}
