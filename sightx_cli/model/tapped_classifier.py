"""Loads this classifier with torch, timm and safetensors alone: `load_tapped(FOLDER)`.

It stands in the folder beside `config.json` and `model.safetensors`, because the classifier is more than a network of
timm with its own linear layer: it reads the outputs of several stages, of several networks, or has hidden layers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

LEAST_VARIANCE = 1e-6
"""Added to each variance, as in training."""


class TappedClassifier(nn.Module):
    """Normalised images (N, 3, S, S) in, logits (N, classes) out, before the temperature.

    `networks` of the configuration names each network of timm, the modules where its maps are tapped, and what brings
    the images to its own normalisation; `order` says which features, (network, tap), the head reads side by side.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.members: list[Mapping[str, Any]] = list(config["networks"])
        self.order: list[tuple[int, int]] = [(network, tap) for network, tap in config["order"]]
        self.networks = nn.ModuleList(
            timm.create_model(one["architecture"], num_classes=0, **one["model_args"]) for one in self.members
        )
        self.register_buffer("mean", torch.zeros(config["num_features"]))
        self.register_buffer("deviation", torch.ones(config["num_features"]))
        widths = [config["num_features"], *config["hidden"], config["num_classes"]]
        self.linears = nn.ModuleList(map(nn.Linear, widths[:-1], widths[1:]))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        parts = [self._read(number, images) for number in range(len(self.members))]
        features = torch.cat([parts[network][tap] for network, tap in self.order], dim=1)
        features = (features - self.mean) / self.deviation
        for linear in self.linears[:-1]:
            features = linear(features).relu()
        logits: Tensor = self.linears[-1](features)
        return logits

    def _read(self, number: int, images: Tensor) -> list[Tensor]:
        """Return the moments of a network's tapped maps, and its pooled output behind them."""
        network, member = self.networks[number], self.members[number]
        found: list[Tensor] = []
        hooks = [
            network.get_submodule(tap["module"]).register_forward_pre_hook(partial(_pool, found, tap["axes"]))
            for tap in member["taps"]
        ]
        scale, shift = (images.new_tensor(member[name]).view(1, 3, 1, 1) for name in ("scale", "shift"))
        try:
            pooled: Tensor = network(images * scale + shift)
        finally:
            for hook in hooks:
                hook.remove()
        return [*found, pooled.flatten(1)]


def _pool(found: list[Tensor], axes: list[int], _: nn.Module, given: tuple[Tensor, ...]) -> None:
    """Keep the mean and the deviation over the positions of the map that a module is given."""
    mean = given[0].mean(axes, keepdim=True)
    deviation = ((given[0] - mean).square().mean(axes, keepdim=True) + LEAST_VARIANCE).sqrt()
    found.append(torch.cat([mean.flatten(1), deviation.flatten(1)], dim=1))


def load_tapped(folder: str | Path) -> TappedClassifier:
    """Load the classifier of a folder, in evaluation mode."""
    config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    model = TappedClassifier(config)
    model.load_state_dict(load_file(Path(folder) / "model.safetensors"))
    return model.eval()
