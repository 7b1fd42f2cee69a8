"""Which parameters train, in the groups whose rates a recipe names; the numbers of the reference systems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import pytest
import torch
from torch import nn

from sightx_cli.errors import ModelError
from sightx_cli.model.backbone import Backbone
from sightx_cli.model.head import build_head
from sightx_cli.model.parameter_groups import Group, build_groups, choose_parameters, find_cut, list_blocks

Open = Callable[..., Backbone]


def count(parameters: Iterable[torch.Tensor]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def count_trained(groups: Sequence[Group]) -> int:
    return sum(count(group.parameters) for group in groups if group.trained)


def name_trained(backbone: Backbone, train: str | Sequence[str]) -> list[str]:
    groups = build_groups(backbone, build_head(backbone.feature_count, 3), train)
    return [group.name for group in groups if group.trained]


def open_mobilenet(open_backbone: Open, train: str) -> tuple[tuple[Group, ...], nn.Module]:
    backbone = open_backbone("mobilenetv2_100", 64, "last")
    head = build_head(backbone.feature_count, 5)
    return build_groups(backbone, head, train), head


def test_mobilenetv2_with_five_classes_has_the_parameters_of_the_paper(open_backbone: Open) -> None:
    groups, head = open_mobilenet(open_backbone, "all")
    assert count_trained(groups) == 2_230_277
    assert count(head.parameters()) == 6_405
    assert count(build_head(1280, 4).parameters()) == 5_124
    assert count_trained(groups) - 6_405 + count(build_head(1280, 1000).parameters()) == 3_504_872


def test_the_last_three_blocks_of_mobilenetv2_are_those_of_the_paper(open_backbone: Open) -> None:
    groups, _ = open_mobilenet(open_backbone, "last-blocks:3")
    assert count_trained(groups) == 1_212_485
    assert [group.name for group in groups if group.trained] == ["blocks.5", "blocks.6", "head"]


def test_resnet50_with_a_hidden_layer_trains_layer4_and_head(open_backbone: Open) -> None:
    backbone = open_backbone("resnet50", 64, "last")
    head = build_head(2048, 5, hidden=(512,), dropout=0.5)
    groups = build_groups(backbone, head, "last:1")
    assert count(backbone.parameters()) + count(head.parameters()) == 24_559_685
    assert count_trained(groups) == 16_016_389
    assert nn.Sequential(backbone, head).eval()(torch.zeros(1, 3, 224, 224)).shape == (1, 5)


def test_there_is_one_group_per_stage_earliest_first_and_the_head_last(open_backbone: Open) -> None:
    backbone = open_backbone("resnet18")
    groups = build_groups(backbone, build_head(backbone.feature_count, 3), "last:2")
    assert [(group.name, group.stage, group.trained) for group in groups] == [
        ("stem", 0, False),
        ("layer1", 1, False),
        ("layer2", 2, False),
        ("layer3", 3, True),
        ("layer4", 4, True),
        ("head", 5, True),
    ]


@pytest.mark.parametrize("train", ["head", "all", "last:2", "last-blocks:3", "last:50%", ["layer2.1", "layer4"]])
def test_every_parameter_is_in_exactly_one_group(train: str | list[str], open_backbone: Open) -> None:
    backbone = open_backbone("resnet18")
    head = build_head(backbone.feature_count, 3)
    grouped = Counter(id(p) for group in build_groups(backbone, head, train) for p in group.parameters)
    assert grouped == Counter(id(p) for part in (backbone, head) for p in part.parameters())


@pytest.mark.parametrize(
    ("train", "trained"),
    [
        ("head", ["head"]),
        ("last:1", ["layer4", "head"]),
        ("last:5", ["stem", "layer1", "layer2", "layer3", "layer4", "head"]),
        ("all", ["stem", "layer1", "layer2", "layer3", "layer4", "head"]),
        ("last-blocks:2", ["layer4", "head"]),
        ("last-blocks:3", ["layer3", "layer4", "head"]),
        ("layer3", ["layer3", "head"]),
        (["head", "layer4.1"], ["layer4", "head"]),
        (["stem", "layer4.1.conv2"], ["stem", "layer4", "head"]),
        (["bn1"], ["stem", "head"]),
    ],
)
def test_what_a_recipe_names_is_what_trains(train: str | list[str], trained: list[str], open_backbone: Open) -> None:
    assert name_trained(open_backbone("resnet18"), train) == trained


def test_the_frozen_rest_of_a_stage_is_a_group_of_its_own(open_backbone: Open) -> None:
    backbone = open_backbone("resnet18")
    groups = build_groups(backbone, build_head(backbone.feature_count, 3), "last-blocks:1")
    layer4 = [group for group in groups if group.stage == 4]
    assert [(group.name, group.trained) for group in layer4] == [("layer4 (frozen)", False), ("layer4", True)]
    assert [id(p) for p in layer4[0].parameters] == [id(p) for p in backbone.network.layer4[0].parameters()]
    assert [id(p) for p in layer4[1].parameters] == [id(p) for p in backbone.network.layer4[1].parameters()]


@pytest.mark.parametrize(("percent", "layers"), [("50", 9), ("10", 2), ("2.9", 1), ("100", 18)])
def test_a_percentage_is_of_the_leaf_layers_counted_from_the_end(
    percent: str, layers: int, open_backbone: Open
) -> None:
    backbone = open_backbone("vgg11_bn", 32)  # 8 convolutions, each with its BatchNorm, and two before the head: 18
    order = [name for name, module in backbone.network.named_modules() if list(module.parameters(recurse=False))]
    chosen = choose_parameters(backbone, f"last:{percent}%")
    assert {name.rpartition(".")[0] for name in chosen} == set(order[-layers:])


@pytest.mark.parametrize(
    ("name", "size_px", "last"),
    [
        ("convnext_atto", 64, {"stages.3.blocks.1", "head.norm"}),
        ("densenet121", 64, {"features.denseblock4.denselayer16", "features.norm5"}),
        ("vit_tiny_patch16_224", 224, {"blocks.11", "norm"}),
        ("mobilenetv3_small_100", 64, {"conv_head"}),
        ("tf_efficientnet_lite0", 64, {"conv_head", "bn2"}),
        ("resnet18", 64, {"layer4.1"}),
    ],
)
def test_the_last_block_is_a_whole_block_never_a_norm_alone(
    name: str, size_px: int, last: set[str], open_backbone: Open
) -> None:
    backbone = open_backbone(name, size_px)
    expected = {p for p, _ in backbone.network.named_parameters() if any(p.startswith(f"{part}.") for part in last)}
    assert choose_parameters(backbone, "last-blocks:1") == expected


@pytest.mark.parametrize("name", ["resnet18", "vgg11_bn", "densenet121", "regnetx_002", "mobilenetv2_100"])
def test_the_blocks_hold_every_parameter_once(name: str, open_backbone: Open) -> None:
    network = open_backbone(name, 32 if name == "vgg11_bn" else 64).network
    blocks = list_blocks(network)
    assert Counter(p for block in blocks for p in block) == Counter(p for p, _ in network.named_parameters())
    assert all(any(network.get_parameter(p).dim() > 1 for p in block) for block in blocks)


@pytest.mark.parametrize(
    ("train", "found", "allowed"),
    [
        ("last:6", r"the network has 5 stages \(stem, layer1, layer2, layer3, layer4\)", "N from 1 to 5"),
        ("last:0", "the network has 5 stages", "N from 1 to 5"),
        ("last-blocks:10", "the network has 9 blocks", "N from 1 to 9"),
        ("last-blocks:0", "the network has 9 blocks", "N from 1 to 9"),
        ("layer5", 'train = "layer5": the network has no such stage or module', "stem, layer1, layer2"),
        (["layer4", "blocks.3"], 'train = "blocks.3"', "its stages: stem, layer1"),
    ],
)
def test_what_the_network_does_not_have_is_refused_with_the_choices(
    train: str | list[str], found: str, allowed: str, open_backbone: Open
) -> None:
    with pytest.raises(ModelError, match=found) as caught:
        choose_parameters(open_backbone("resnet18"), train)
    assert allowed in caught.value.hint


def test_where_timm_groups_nothing_the_last_block_is_the_last_child(open_backbone: Open) -> None:
    backbone = open_backbone("poolformer_s12")
    assert choose_parameters(backbone, "last-blocks:1") == set(backbone.stages[-1].parameters)


@pytest.mark.parametrize(
    ("train", "cut"), [("head", 5), ("last:1", 4), ("last:50%", 3), ("last-blocks:2", 4), (["layer1.0"], 1), ("all", 0)]
)
def test_the_cut_lies_before_the_first_stage_that_trains(train: str | list[str], cut: int, open_backbone: Open) -> None:
    backbone = open_backbone("resnet18")
    assert find_cut(backbone, build_groups(backbone, build_head(backbone.feature_count, 3), train)) == cut


@pytest.mark.parametrize(("train", "cut"), [("head", 18), ("last:1", 0), ("all", 0)])
def test_a_network_that_cannot_be_cut_is_frozen_whole_or_not_at_all(train: str, cut: int, open_backbone: Open) -> None:
    backbone = open_backbone("coat_tiny")
    assert find_cut(backbone, build_groups(backbone, build_head(backbone.feature_count, 3), train)) == cut
