"""Every family is cut at every boundary into parts that give what the whole network gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from timm.models.resnet import BasicBlock
from timm.models.resnet import ResNet as TimmResNet

from sightx_cli.model.backbone import Backbone, Prefix, Suffix

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
    "regnetx_002": (64, ["stem", "s1", "s2", "s3", "s4"]),
    "eva02_tiny_patch14_224": (112, ["stem", *number("blocks.", 12)]),  # its blocks are handed rotary embeddings
    "poolformer_s12": (64, ["stem", *number("stages.", 4)]),  # timm groups nothing in it
}
UNCUT = {
    "pit_ti_224": (64, "none of its stages passes on a single map"),
    "coat_tiny": (64, "its features are several maps"),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_has_the_stages_that_its_papers_name(name: str, open_backbone: Open) -> None:
    size_px, stages = FAMILIES[name]
    backbone = open_backbone(name, size_px)
    assert backbone.can_be_cut
    assert list(backbone.stage_names) == stages


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name == "vgg11_bn" else []) for name in FAMILIES]
)
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


@pytest.mark.parametrize("name", [*FAMILIES, *UNCUT])
def test_every_parameter_belongs_to_exactly_one_stage(name: str, open_backbone: Open) -> None:
    backbone = open_backbone(name, {**FAMILIES, **UNCUT}[name][0])
    owned = Counter(parameter for stage in backbone.stages for parameter in stage.parameters)
    assert owned == Counter(name for name, _ in backbone.network.named_parameters())


@pytest.mark.parametrize("name", UNCUT)
def test_a_network_that_hands_on_more_than_one_map_says_so_and_runs_whole(name: str, open_backbone: Open) -> None:
    size_px, why = UNCUT[name]
    backbone = open_backbone(name, size_px)
    assert not backbone.can_be_cut
    assert backbone.why_uncut == why
    assert len(backbone.stages) > 2
    images = torch.randn(2, 3, size_px, size_px)
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


class Flipped(TimmResNet):
    """A network that does something of its own, in no module, behind the last of its stages."""

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward_features(x).flip(2) * 2


class Skipping(TimmResNet):
    """A network whose last stage reads what its first gave, beside what comes from the stage before."""

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        stem = self.maxpool(self.act1(self.bn1(self.conv1(x))))
        first = self.layer1(stem)
        third = self.layer3(self.layer2(first))
        return self.layer4(third + first.mean((1, 2, 3), keepdim=True))


class Remembering(TimmResNet):
    """A network that keeps something of the images beside its maps, out of autograd's sight."""

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward_features(x) + x.detach().mean((1, 2, 3), keepdim=True)


def build_small(kind: type[TimmResNet]) -> Backbone:
    torch.manual_seed(0)
    return Backbone(kind(BasicBlock, (1, 1, 1, 1), num_classes=0), "all", size_px=64).eval()


@torch.no_grad()
def test_what_a_network_does_outside_its_modules_is_part_of_its_stages() -> None:
    backbone, images = build_small(Flipped), torch.randn(2, 3, 64, 64)
    assert backbone.can_be_cut
    torch.testing.assert_close(backbone(images)[:, -512:], backbone.network(images))


@torch.no_grad()
def test_a_network_is_cut_only_where_one_map_is_all_that_is_handed_on() -> None:
    backbone, images = build_small(Skipping), torch.randn(2, 3, 64, 64)
    assert backbone.stage_names == ("stem", "layer1", "layer2", "layer4")
    torch.testing.assert_close(backbone(images)[:, -512:], backbone.network(images))


@torch.no_grad()
def test_a_network_that_gives_other_outputs_in_stages_runs_whole_and_says_so() -> None:
    backbone, images = build_small(Remembering), torch.randn(2, 3, 64, 64)
    assert backbone.why_uncut == "stage by stage it gives other outputs"
    torch.testing.assert_close(backbone(images), backbone.network(images))
