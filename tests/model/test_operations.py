"""Multiply-adds and activations of one forward, against counts made by hand."""

from __future__ import annotations

import pytest
import torch
from timm.models.vision_transformer import Attention
from torch import nn

from sightx_cli.model.operations import Counts, counting_operations


@torch.no_grad()
def count(module: nn.Module, *shape: int, device: str = "cpu") -> Counts:
    module, images = module.eval().to(device), torch.zeros(shape, device=device)
    with counting_operations({module: (0, "")}) as counts:
        module(images)
    return counts


@pytest.mark.parametrize(
    ("layer", "macs"),
    [
        (nn.Conv2d(32, 64, 3, padding=1, bias=False), 18_432 * 64),
        (nn.Conv2d(32, 32, 3, padding=1, groups=32), 288 * 64),  # depthwise: one filter for each channel
        (nn.Conv2d(32, 64, 3, padding=1, groups=4), 4_608 * 64),
        (nn.Conv2d(32, 64, 3, stride=2, padding=1), 18_432 * 16),
        (nn.ConvTranspose2d(32, 64, 2, stride=2), 8_192 * 64),  # each of the 8 × 8 inputs meets every weight
        (nn.BatchNorm2d(32), 0),
        (nn.AdaptiveAvgPool2d(1), 0),
    ],
)
def test_a_layer_on_a_map_costs_its_weights_at_every_position(layer: nn.Module, macs: int) -> None:
    assert count(layer, 1, 32, 8, 8).macs[0, ""] == macs


@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_costs_its_weights_for_every_token(bias: bool) -> None:
    assert count(nn.Linear(24, 10, bias=bias), 1, 7, 24).macs[0, ""] == 7 * 240


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("fused", [True, False])
def test_attention_costs_its_four_projections_the_queries_by_the_keys_and_the_weights_by_the_values(
    fused: bool, device: str
) -> None:
    tokens, width = 17, 32
    attention = Attention(width, num_heads=4)
    attention.fused_attn = fused
    macs = count(attention, 1, tokens, width, device=device).macs
    assert macs[0, ""] == 4 * tokens * width**2 + 2 * tokens**2 * width


def test_activations_are_the_new_numbers_and_neither_views_nor_what_is_changed_in_place() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(inplace=True), nn.Identity(), nn.Flatten(), nn.Linear(32, 2))
    assert count(layers, 1, 3, 2, 2).activation_bytes[0, ""] == 4 * (8 * 4 + 2)


def test_every_operation_counts_for_the_part_that_ran_last() -> None:
    first, second, images = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 1), torch.zeros(1, 3, 5, 5)
    with torch.no_grad(), counting_operations({first: (0, ""), second: (1, "")}) as counts:
        second(first(images).relu())
    assert counts.macs == {(0, ""): 12 * 25, (1, ""): 8 * 25}
    # the convolution's output and the relu's
    assert counts.activation_bytes == {(0, ""): 4 * 2 * 4 * 25, (1, ""): 4 * 2 * 25}


def test_the_hooks_are_gone_afterwards() -> None:
    layer = nn.Linear(2, 2)
    count(layer, 1, 2)
    assert not layer._forward_pre_hooks
