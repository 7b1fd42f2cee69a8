"""A torch module becomes a graph, and stays as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sightx_cli.engine.conversion import convert_module

HALF = (0.5, 0.5, 0.5)


def test_a_module_that_is_converted_trains_on_as_before() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    module[0].requires_grad_(False)
    convert_module(module, ("logits",), 8, HALF, HALF)
    assert [parameter.requires_grad for parameter in module.parameters()] == [False, False, True, True]


def test_a_module_that_cannot_be_converted_trains_on_as_before() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            raise ValueError(f"not these: {images.shape}")

    module = Broken()
    with pytest.raises(ValueError, match="not these"):
        convert_module(module, ("logits",), 8, HALF, HALF)
    assert all(parameter.requires_grad for parameter in module.parameters())
