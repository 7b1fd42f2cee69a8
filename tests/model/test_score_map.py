"""Where a score comes from: the map sums to the score where it can, and follows the network and the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from sightx_cli.model.backbone import Backbone, build_network
from sightx_cli.model.head import FeatureScale, build_head
from sightx_cli.model.score_map import ScoreMap, collect_maps, map_score
from sightx_cli.model.tail import drop_behind_map

if TYPE_CHECKING:
    OpenBackbone = Callable[..., Backbone]

WEIGHTS = torch.tensor([1.0, -0.5, -0.5])
"""The first class of three against the mean of the others."""


def build_model(backbone: Backbone, hidden: Sequence[int] = ()) -> nn.Sequential:
    torch.manual_seed(1)
    head = build_head(backbone.feature_count, 3, hidden)
    scale = head[0]
    assert isinstance(scale, FeatureScale)
    scale.set(torch.rand(backbone.feature_count), torch.rand(backbone.feature_count) + 0.5)
    return nn.Sequential(backbone, head).eval().requires_grad_(False)


def build_image(side: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def explain(model: nn.Sequential, image: torch.Tensor) -> ScoreMap:
    return map_score(model, collect_maps(model[0], image), WEIGHTS)  # type: ignore[arg-type]


def measure_score(model: nn.Sequential, image: torch.Tensor) -> float:
    """The score of an image, less that of the average training image."""
    with torch.no_grad():
        features = model[0](image)
        average = model[1][0].mean[None]  # type: ignore[index]
        return float(((model[1](features) - model[1](average)) @ WEIGHTS).item())


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "efficientnet_b0", "densenet121", "mini_resnet"])
def test_behind_a_pooled_map_a_linear_head_is_explained_exactly(open_backbone: OpenBackbone, name: str) -> None:
    model = build_model(open_backbone(name, 64, taps="last"))
    found = explain(model, build_image())
    assert found.is_exact
    assert found.covered == pytest.approx(1)
    assert found.score == pytest.approx(measure_score(model, build_image()), rel=1e-3, abs=1e-4)
    assert float(found.places.sum()) == pytest.approx(found.score, rel=1e-3, abs=1e-4)
    assert found.places.shape == (64, 64)


def test_taps_add_their_means_and_what_varies_is_said_to_be_left_out(open_backbone: OpenBackbone) -> None:
    model = build_model(open_backbone("resnet18", 64, taps="all"))
    found = explain(model, build_image())
    assert found.is_exact
    assert 0.3 < found.covered < 0.95
    assert found.score == pytest.approx(measure_score(model, build_image()), rel=1e-3)
    linear, at = model[1][-1], 0  # type: ignore[index]
    for width in model[0].widths[:-1]:  # type: ignore[union-attr, index]
        linear.weight[:, at + width // 2 : at + width] = 0  # type: ignore[index]  # the deviations
        at += width
    without = explain(model, build_image())
    assert without.covered == pytest.approx(1)
    assert float(without.places.sum()) == pytest.approx(measure_score(model, build_image()), rel=1e-3)
    torch.testing.assert_close(without.places, found.places)


def test_hidden_layers_are_explained_to_the_sum(open_backbone: OpenBackbone) -> None:
    model = build_model(open_backbone("resnet18", 64, taps="last"), hidden=(32, 16))
    found = explain(model, build_image())
    assert float(found.places.sum()) == pytest.approx(measure_score(model, build_image()), rel=0.02)


def test_a_flattened_map_is_explained_exactly() -> None:
    torch.manual_seed(0)
    network = build_network("resnet18", 64)
    drop_behind_map(network, 64)
    model = build_model(Backbone(network, pool="flatten", size_px=64))
    found = explain(model, build_image())
    assert found.is_exact
    assert float(found.places.sum()) == pytest.approx(measure_score(model, build_image()), rel=1e-3)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("vgg11", marks=pytest.mark.slow),
        "mobilenetv3_small_050",
        "convnext_atto",
        "vit_tiny_patch16_224",
        "deit_tiny_distilled_patch16_224",
    ],
)
def test_where_more_lies_between_map_and_head_it_is_an_estimate_that_says_so(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(Backbone(build_network(name, 64), size_px=64))
    found = explain(model, build_image())
    assert not found.is_exact
    assert bool(found.places.isfinite().all())
    assert float(found.places.std()) > 0
    assert float(found.places.sum()) == pytest.approx(measure_score(model, build_image()), rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_the_map_follows_the_place_of_what_is_seen(name: str) -> None:
    """A part of the image that is changed changes the map more where it lies than elsewhere."""
    torch.manual_seed(0)
    side = 224 if name.startswith("swin") else 128
    model = build_model(Backbone(build_network(name, side), size_px=side))
    plain = torch.zeros(1, 3, side, side)
    marked, half = plain.clone(), side // 2
    marked[:, :, :half, half:] = torch.randn(3, half, half) * 3
    change = explain(model, marked).places - explain(model, plain).places
    change = (change - change.mean()).abs()
    inside = float(change[:half, half:].sum() / change.sum())
    assert inside > 0.3  # of a quarter of the area


def test_a_head_without_an_average_says_so(open_backbone: OpenBackbone) -> None:
    model = build_model(open_backbone("resnet18", 64, taps="last"))
    assert explain(model, build_image()).has_average
    model[1][0].mean.zero_()  # type: ignore[index, union-attr, operator]
    assert not explain(model, build_image()).has_average


def test_nothing_is_left_behind_in_the_model(open_backbone: OpenBackbone) -> None:
    model = build_model(open_backbone("resnet18", 64, taps="all"))
    explain(model, build_image())
    assert all(not module._forward_hooks and not module._backward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
