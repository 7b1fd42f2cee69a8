"""A norm of fixed statistics folded into the convolution before it: the same outputs and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sightx_cli.model.timm_parts import timm
from sightx_cli.train.folded_norms import find_limits, folded_norms
from sightx_cli.train.fused_convolution import FusedConvolution, run_by_torch

NETWORKS = ("tf_efficientnet_lite0", "resnet18", "mobilenetv3_small_050", "efficientnet_b0")


def set_statistics(network: nn.Module) -> None:
    """Give norms and their statistics values that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, 0, 0.1, generator=generator)


def read_gradients(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    network.zero_grad()
    given = images.clone().requires_grad_()
    network(given).square().sum().backward()
    assert given.grad is not None
    return {"images": given.grad} | {
        name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None
    }


@pytest.mark.parametrize(
    "own_gradients", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["as on CPUs", "as on GPUs"]
)
@pytest.mark.parametrize("name", NETWORKS)
def test_folding_changes_neither_outputs_nor_gradients(
    name: str, own_gradients: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not own_gradients:
        monkeypatch.setattr(FusedConvolution, "apply", run_by_torch)
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0).eval().double()
    set_statistics(network)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    plain, before = network(images).detach(), read_gradients(network, images)
    with folded_norms(network, lambda: network(images)) as pairs:
        assert pairs > 10
        assert float((network(images).detach() - plain).abs().max() / plain.abs().max()) < 1e-9
        after = read_gradients(network, images)
    assert before.keys() == after.keys()
    for what, gradient in before.items():
        scale = max(float(gradient.abs().max()), 1e-2)
        assert float((after[what] - gradient).abs().max()) / scale < 1e-8, what
    assert torch.equal(network(images), plain)


def test_an_activation_that_does_more_than_clamp_is_left_to_run() -> None:
    norm = timm.create_model("efficientnet_b0", num_classes=0).bn1
    assert type(norm.act) is nn.SiLU
    assert find_limits(norm) is None


def test_what_drops_blocks_before_its_activation_is_left_to_run() -> None:
    norm = timm.create_model("tf_efficientnet_lite0", num_classes=0).bn1
    assert find_limits(norm) == (0.0, 6.0)
    norm.drop = nn.Dropout(0.1)
    assert find_limits(norm) is None


def test_a_convolution_whose_padding_is_a_word_is_left_to_run() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding="same"), nn.BatchNorm2d(8), nn.ReLU()).eval()
    images = torch.randn(2, 3, 16, 16)
    plain = network(images)
    with folded_norms(network, lambda: network(images)) as pairs:
        assert pairs == 0
        assert torch.equal(network(images), plain)
