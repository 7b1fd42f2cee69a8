"""Networks of random weights, each built once."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch

from sightx_cli.model.backbone import Backbone, build_network


@functools.cache
def _open_backbone(name: str, size_px: int, taps: str) -> Backbone:
    torch.manual_seed(0)
    network = build_network(name, size_px)
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None  # the mean over all batches
    with torch.no_grad():
        network.train()(torch.randn(4, 3, size_px, size_px))  # so that no random network fades to nothing
    return Backbone(network, taps, size_px=size_px).eval()


@pytest.fixture(scope="session")
def open_backbone() -> Callable[..., Backbone]:
    """Gives a backbone of random weights: `open_backbone("resnet18", 64, taps="all")`; do not change it."""
    return lambda name, size_px=64, taps="all": _open_backbone(name, size_px, taps)
