"""Every family is cut at every boundary into parts that give what the whole network gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.models.resnet import BasicBlock
from timm.models.resnet import ResNet as TimmResNet

from sightx_cli.model.backbone import Backbone, Prefix, Suffix
from sightx_cli.model.stages import build_stages, check_stages, pass_image

Open = Callable[..., Backbone]


def number(name: str, count: int) -> list[str]:
    return [f"{name}{place}" for place in range(count)]


LAYERS = ["stem", *number("layer", 5)[1:]]
FAMILIES = {
    "resnet18": (64, LAYERS),
    "resnet50": (64, LAYERS),
    "vgg11_bn": (32, number("stage", 6)[1:]),
    "mobilenetv1_100": (64, ["stem", *number("blocks.", 5)]),
    "mobilenetv2_100": (64, ["stem", *number("blocks.", 7)]),
    "mobilenetv3_small_100": (64, ["stem", *number("blocks.", 6)]),
    "efficientnet_b0": (64, ["stem", *number("blocks.", 7)]),
    "tf_efficientnet_lite0": (64, ["stem", *number("blocks.", 7)]),
    "convnext_atto": (64, ["stem", *number("stages.", 4)]),
    "densenet121": (64, ["stem", *number("denseblock", 5)[1:]]),
    "vit_tiny_patch16_224": (224, ["stem", *number("blocks.", 12)]),
}
UNKNOWN = {
    "regnetx_002": (64, ["stem", "s1", "s2", "s3", "s4"]),
    "swin_tiny_patch4_window7_224": (224, ["patch_embed", *number("layers.", 4)]),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_the_stages_that_its_papers_name(name: str, open_backbone: Open) -> None:
    size_px, stages = FAMILIES[name]
    backbone = open_backbone(name, size_px)
    assert backbone.can_be_cut
    assert list(backbone.stage_names) == stages


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_prefix_then_suffix_is_the_whole_network_at_every_cut(name: str, open_backbone: Open) -> None:
    backbone = open_backbone(name, FAMILIES[name][0])
    images = torch.randn(2, 3, FAMILIES[name][0], FAMILIES[name][0])
    whole = backbone.network(images)
    last = len(backbone.stages)
    cuts = range(1, last)
    prefix = Prefix(backbone, cuts, features=True)
    kept = dict(zip(prefix.output_names(), prefix(images), strict=True))
    assert whole.abs().max() > 0.1  # an output near nothing would equal anything
    close = {"rtol": 0.0, "atol": 1e-4 * max(1.0, float(whole.abs().max()))}
    torch.testing.assert_close(kept["features"][:, -whole.shape[1] :], whole, **close)
    for cut in cuts:
        features = Suffix(backbone, cut)(kept[f"map_{cut}"], kept[f"taps_{cut}"])
        torch.testing.assert_close(features, kept["features"], **close)


@pytest.mark.parametrize("name", [*FAMILIES, *UNKNOWN])
def test_every_parameter_belongs_to_exactly_one_stage(name: str, open_backbone: Open) -> None:
    backbone = open_backbone(name, {**FAMILIES, **UNKNOWN}[name][0])
    owned = Counter(parameter for stage in backbone.stages for parameter in stage.parameters)
    assert owned == Counter(name for name, _ in backbone.network.named_parameters())


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_network_has_named_stages_but_is_cut_only_behind_its_features(
    name: str, open_backbone: Open
) -> None:
    size_px, stages = UNKNOWN[name]
    backbone = open_backbone(name, size_px)
    assert list(backbone.stage_names) == stages
    assert not backbone.can_be_cut
    images = torch.randn(1, 3, size_px, size_px)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), backbone.network(images))


def test_the_stages_share_the_modules_of_the_network(open_backbone: Open) -> None:
    network = Backbone(open_backbone("resnet18").network, size_px=64).network
    before = network.layer4[1].bn2.weight.detach().clone()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        backbone = Backbone(network, size_px=64)
        first = backbone(images)
        network.layer4[1].bn2.weight += 1.0
        second = backbone(images)
        network.layer4[1].bn2.weight.copy_(before)
    assert not torch.equal(first, second)


class ResNet(TimmResNet):
    """A network that bears a known family's name and computes something else."""

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward_features(x).flip(2) * 2


def test_a_network_that_only_looks_like_a_family_is_found_out_and_run_whole() -> None:
    network: Any = ResNet(BasicBlock, (1, 1, 1, 1), num_classes=0).eval()
    stages, looks_known = build_stages(network)
    assert looks_known
    with torch.no_grad():
        images, maps = pass_image(network, stages, 64)
        assert not check_stages(network, images, maps[-1])
    backbone = Backbone(network, "all", size_px=64)
    assert not backbone.can_be_cut
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images), network(images))
