"""A classifier as others load it gives the same logits, by timm alone wherever timm can express it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import nn

from sightx_cli.model.backbone import Backbone, build_network
from sightx_cli.model.combined_backbone import assemble_backbone
from sightx_cli.model.grey import make_grey
from sightx_cli.model.head import build_head, set_linear_solution
from sightx_cli.model.timm_form import build_timm_form, load_form


def pair(backbone: Backbone, hidden: Sequence[int] = ()) -> nn.Sequential:
    """Give a backbone a head of three classes, standardising by means and deviations of its own."""
    torch.manual_seed(0)
    head, features = build_head(backbone.feature_count, 3, hidden), backbone.feature_count
    if not hidden:
        mean, deviation = torch.randn(features), torch.rand(features) + 0.5
        set_linear_solution(head, torch.randn(3, features) / 20, torch.randn(3), mean, deviation)
    return nn.Sequential(backbone, head).eval()


def open_fresh(name: str, size_px: int, taps: str = "last", pool: str = "avg") -> Backbone:
    torch.manual_seed(0)
    return assemble_backbone(build_network(name, size_px).eval(), taps, pool, size_px).eval()


@torch.no_grad()
def check_same(model: nn.Sequential, name: str, size_px: int) -> str:
    """Check that a classifier's form gives its logits of new images; returns why it is more than a network of timm."""
    form, why_not = build_timm_form(model, name, size_px)
    assert form is not None, why_not
    images = torch.randn(3, 3, size_px, size_px)
    expected = model(images)
    torch.testing.assert_close(load_form(form, 3)(images), expected, rtol=0, atol=1e-5)
    assert expected.std(0).max() > 1e-5
    return form.why_tapped


@pytest.mark.parametrize(("name", "size_px"), [("test_resnet", 64), ("test_vit", 160), ("test_efficientnet", 64)])
def test_a_linear_head_on_the_networks_output_is_timms_own_classifier(
    open_backbone: Callable[..., Backbone], name: str, size_px: int
) -> None:
    assert check_same(pair(open_backbone(name, size_px, "last")), name, size_px) == ""


@pytest.mark.parametrize(
    ("name", "size_px", "taps", "hidden", "why"),
    [
        ("test_resnet", 64, "all", (), "its head reads the outputs of 5 stages"),
        ("test_vit", 160, "last:2", (), "its head reads the outputs of 2 stages"),
        ("test_resnet", 64, "last", (8,), "its head has 1 hidden layer"),
        ("test_resnet", 64, "all", (8, 4), "its head reads the outputs of 5 stages"),
    ],
)
def test_any_other_head_says_why_and_has_a_module_that_loads_it(
    open_backbone: Callable[..., Backbone], name: str, size_px: int, taps: str, hidden: Sequence[int], why: str
) -> None:
    assert check_same(pair(open_backbone(name, size_px, taps), hidden), name, size_px) == why


@pytest.mark.parametrize("taps", ["all", "last"])
def test_two_networks_of_other_depths_and_normalisations_are_loaded_side_by_side(taps: str) -> None:
    name = "test_resnet+test_efficientnet"
    assert check_same(pair(open_fresh(name, 64, taps)), name, 64) == "it joins 2 networks"


def test_a_network_with_another_classifier_in_timm_is_loaded_by_the_module() -> None:
    why = check_same(pair(open_fresh("levit_128s", 224)), "levit_128s", 224)
    assert why == "timm has another classifier on this network"


def test_what_timm_has_no_network_for_is_refused_and_said() -> None:
    grey = build_network("test_resnet", 32)
    make_grey(grey, "mean", (0.5,) * 3, (0.5,) * 3)
    refused = {
        "mini_resnet": (open_fresh("mini_resnet", 32), "a network of SightX"),
        "test_resnet": (Backbone(grey, size_px=32), "one grey channel"),
        "test_efficientnet": (open_fresh("test_efficientnet", 32, pool="flatten"), "position by position"),
    }
    for name, (backbone, why) in refused.items():
        form, found = build_timm_form(pair(backbone), name, 32)
        assert form is None
        assert why in found
