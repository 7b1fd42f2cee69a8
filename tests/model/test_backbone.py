"""What the head reads: the network's own pooled output, and the taps beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from sightx_cli.errors import ModelError
from sightx_cli.model.backbone import Backbone, Prefix, build_network, choose_taps
from sightx_cli.model.moments import pool_map

Open = Callable[..., Backbone]


@torch.no_grad()
def test_taps_are_the_mean_and_deviation_of_the_stages_in_order_then_the_networks_own_output(
    open_backbone: Open,
) -> None:
    backbone, images = open_backbone("resnet18", 64, "last:3"), torch.randn(2, 3, 64, 64)
    maps: dict[str, torch.Tensor] = {}
    hooks = [
        backbone.network.get_submodule(name).register_forward_hook(
            lambda _m, _i, out, name=name: maps.update({name: out})
        )
        for name in ("layer2", "layer3")
    ]
    whole = backbone.network(images)
    for hook in hooks:
        hook.remove()
    expected = [
        part
        for name in ("layer2", "layer3")
        for part in (maps[name].mean((2, 3)), maps[name].flatten(2).std(2, correction=0))
    ]
    torch.testing.assert_close(backbone(images), torch.cat([*expected, whole], 1), rtol=1e-4, atol=1e-3)
    assert backbone.widths == (256, 512, 512)
    assert backbone.feature_count == 1280


def test_the_tap_of_a_transformer_is_taken_over_its_tokens() -> None:
    tokens = torch.arange(24.0).view(2, 4, 3)
    pooled = pool_map(tokens, (1,))
    torch.testing.assert_close(pooled[:, :3], tokens.mean(1))
    torch.testing.assert_close(pooled[:, 3:], tokens.std(1, correction=0))


def test_a_constant_map_has_a_deviation_with_a_finite_gradient() -> None:
    flat = torch.ones(1, 2, 4, 4, requires_grad=True)
    pool_map(flat, (2, 3)).sum().backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()


@pytest.mark.parametrize(
    ("taps", "positions"),
    [("last", ()), ("last:1", ()), ("last:2", (3,)), ("last:5", (0, 1, 2, 3)), ("all", (0, 1, 2, 3))],
)
def test_taps_are_read_of_the_stages_asked_for(taps: str, positions: tuple[int, ...]) -> None:
    assert choose_taps(taps, 5) == positions


@pytest.mark.parametrize("taps", ["last:0", "last:6"])
def test_more_taps_than_stages_are_refused_with_the_numbers_allowed(taps: str) -> None:
    with pytest.raises(ModelError, match="the network has 5 stages") as caught:
        choose_taps(taps, 5)
    assert "N from 1 to 5" in caught.value.hint


@torch.no_grad()
def test_flatten_gives_the_whole_last_map(open_backbone: Open) -> None:
    backbone = Backbone(open_backbone("resnet18").network, pool="flatten", size_px=64).eval()
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(backbone(images), backbone.network.forward_features(images).flatten(1))
    assert backbone.feature_count == 512 * 2 * 2


@torch.no_grad()
def test_one_prefix_gives_every_cut_its_map_and_the_taps_before_it(open_backbone: Open) -> None:
    backbone = open_backbone("resnet18", 64, "last:3")
    prefix = Prefix(backbone, [4, 1], features=True)
    outputs = dict(zip(prefix.output_names(), prefix(torch.randn(1, 3, 64, 64)), strict=True))
    assert {name: tuple(output.shape[1:]) for name, output in outputs.items()} == {
        "map_1": (64, 16, 16),
        "map_4": (256, 4, 4),
        "taps_4": (256 + 512,),  # of layer2 and layer3; nothing is tapped before layer1
        "features": (1280,),
    }


@torch.no_grad()
def test_a_fixed_size_transformer_is_built_for_the_size_asked(open_backbone: Open) -> None:
    backbone = Backbone(build_network("vit_tiny_patch16_224", 96), size_px=96)
    assert backbone.can_be_cut
    assert backbone.eval()(torch.zeros(1, 3, 96, 96)).shape == (1, 192)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("resnet19", "resnet18"),
        ("tf_efficientnet_light0", "tf_efficientnet_lite0"),
        ("resnet18.bogus", "resnet18.a1_in1k"),
        ("test_resnet.x", "test_resnet alone"),
    ],
)
def test_a_name_that_timm_does_not_know_is_refused_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(ModelError, match=f'backbone "{name}"') as caught:
        build_network(name, 64)
    assert hint in caught.value.hint
