"""A stem for one grey channel: exact where it promises to be, one error where a network has no such stem."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from sightx_cli.errors import ModelError
from sightx_cli.model.backbone import Backbone, build_network
from sightx_cli.model.classifier import build_backbone, build_classifier, load_classifier
from sightx_cli.model.grey import GreyStem, make_grey, read_grey
from sightx_cli.model.weights_file import build_weights_file
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.files import load_table
from sightx_cli.recipe.overrides import apply_overrides
from sightx_cli.recipe.recipe import Recipe, parse_recipe

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def open_recipe(*settings: str) -> Recipe:
    path = find_recipe("xray-grey")[1]
    return parse_recipe(apply_overrides(load_table(path), settings), str(path))


def draw_grey(size_px: int = 64) -> Tensor:
    """Two grey images as normalised RGB; bright at the border, where padding tells."""
    grey = torch.randint(0, 256, (2, 1, size_px, size_px), generator=torch.Generator().manual_seed(1)) / 255
    return (grey.expand(-1, 3, -1, -1) - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)


def warm_norms(network: nn.Module, channels: int = 3) -> None:
    """Give a random network's norms the statistics of some images, so that its logits do not fade to nothing."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        network.train()(torch.randn(4, channels, 64, 64))
    network.eval()


@torch.no_grad()
@pytest.mark.parametrize("name", ["resnet50", "densenet121"])
def test_summed_filters_give_a_grey_image_the_logits_that_it_has_as_rgb(name: str) -> None:
    torch.manual_seed(0)
    network, images = timm.create_model(name, num_classes=5), draw_grey()
    warm_norms(network)
    as_rgb = network(images)
    make_grey(network, "sum", MEAN, STD)
    assert as_rgb.abs().max() > 0.1
    torch.testing.assert_close(network(images), as_rgb, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_summed_filters_give_the_same_with_real_weights() -> None:
    """On a network that pads on one side only, as TensorFlow does."""
    backbone, _ = build_backbone(open_recipe("model.backbone=tf_efficientnet_lite0", "model.grey=none"))
    images = draw_grey(224)
    as_rgb = backbone(images)
    make_grey(backbone.network, "sum", MEAN, STD)
    again = Backbone(backbone.network).eval()
    torch.testing.assert_close(again(images), as_rgb, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("rgb", [nn.Conv2d(3, 8, 7, 2, 3), nn.Conv2d(3, 8, 3, 2), Conv2dSame(3, 8, 3, 2)], ids=str)
def test_summed_filters_are_exact_to_the_border_whatever_the_padding(rgb: nn.Conv2d) -> None:
    for size_px in (16, 17):
        images = draw_grey(size_px)
        torch.testing.assert_close(GreyStem(rgb, "sum", MEAN, STD)(images), rgb(images), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_averaged_filters_are_a_third_of_the_sum_where_one_mean_and_deviation_serves_all() -> None:
    same = ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    rgb, images = nn.Conv2d(3, 8, 7, 2, 3, bias=False), draw_grey(32)
    mean, total = GreyStem(rgb, "mean", *same), GreyStem(rgb, "sum", *same)
    torch.testing.assert_close(mean.weight, rgb.weight.mean(1, keepdim=True))
    torch.testing.assert_close(mean(images) * 3, total(images), rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("grey", ["mean", "sum"])
def test_a_colour_image_is_read_by_its_luminance(grey: str) -> None:
    stem = GreyStem(nn.Conv2d(3, 8, 3, padding=1), grey, MEAN, STD)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    colours = torch.rand(2, 3, 16, 16)
    luminance = (colours * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    as_grey = luminance.expand(-1, 3, -1, -1)
    torch.testing.assert_close(stem((colours - mean) / std), stem((as_grey - mean) / std), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("grey", ["mean", "sum"])
def test_the_stem_of_resnet50_has_the_weights_of_one_channel(grey: str) -> None:
    network = build_network("resnet50", 64)
    before = sum(parameter.numel() for parameter in network.parameters())
    make_grey(network, grey, MEAN, STD)
    assert network.get_parameter("conv1.weight").numel() == 3_136
    assert before - sum(parameter.numel() for parameter in network.parameters()) == 9_408 - 3_136
    assert read_grey(network) == grey


def test_the_one_filter_trains_and_the_rest_of_the_stem_stays() -> None:
    stem = GreyStem(nn.Conv2d(3, 8, 3, padding=1), "sum", MEAN, STD)
    assert [name for name, _ in stem.named_parameters()] == ["weight", "bias"]
    stem(draw_grey(16)).sum().backward()  # type: ignore[no-untyped-call]
    assert stem.weight.grad is not None
    assert stem.weight.grad.abs().sum() > 0


@torch.no_grad()
def test_weights_of_one_channel_give_a_grey_stem_what_they_gave_their_own_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    own = timm.create_model("resnet18", in_chans=1, num_classes=0)
    warm_norms(own, channels=1)
    save_file(own.state_dict(), tmp_path / "one.safetensors")
    recipe = open_recipe("model.backbone=resnet18", "image.size_px=64", "model.weights=file")
    file = build_weights_file(tmp_path / "one.safetensors", 0.4, 0.2, None)
    backbone, weights = build_backbone(recipe, file)
    grey = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (weights.mean, weights.std))
    torch.testing.assert_close(backbone((grey - mean) / std), own((grey - 0.4) / 0.2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("grey", ["mean", "sum"])
def test_a_grey_classifier_is_built_again_from_its_weights(grey: str, tmp_path: Path) -> None:
    recipe = open_recipe(
        "model.backbone=test_resnet", "image.size_px=64", "model.weights=scratch", f"model.grey={grey}"
    )
    model = build_classifier(build_backbone(recipe)[0], recipe, 3).eval()
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    again = load_classifier(
        "test_resnet", recipe.model.head.model_dump(), 3, 64, tmp_path / "weights.safetensors", grey
    )
    torch.testing.assert_close(again(draw_grey()), model(draw_grey()))


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("test_nfnet", r"stem\.conv1 \(ScaledStdConv2d\), not with one plain convolution"),
        ("tresnet_m", r"body\.conv1\.conv \(Conv2d\) on 48 channels"),
        ("crossvit_9_240", r"patch_embed\.0\.proj \(Conv2d\), patch_embed\.1\.proj \(Conv2d\)"),
    ],
)
def test_a_network_without_such_a_stem_is_refused_with_some_that_have_one(name: str, begins: str) -> None:
    with torch.device("meta"):
        network = build_network(name, 224)
    with pytest.raises(ModelError, match=begins) as caught:
        make_grey(network, "sum", MEAN, STD)
    assert "resnet50, vgg16" in caught.value.hint
