"""Drop what a network computes after its last map, if the head reads that map itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from sightx_cli.model.combined_network import CombinedNetwork
from sightx_cli.model.image_sizes import find_name, refusing_size


def drop_behind_map(network: Any, size_px: int) -> None:
    """Remove from a network, in place, every module whose weights its last map does not depend on.

    VGG's two layers of 4096 and MobileNetV3's final convolution are between the map and the classifier: with
    `pool = "flatten"` they would never run, yet be counted, trained and stored.
    """
    if isinstance(network, CombinedNetwork):
        for member in network.members:
            drop_behind_map(member, size_px)
        return
    was_training = network.training
    with torch.enable_grad(), refusing_size(find_name(network), size_px):
        last_map = network.eval().forward_features(torch.zeros(1, 3, size_px, size_px))
    network.train(was_training)
    read = _find_leaves(last_map.grad_fn)
    for name, module in list(network.named_modules()):
        own = list(module.parameters())
        if name and own and not any(parameter in read for parameter in own):
            network.set_submodule(name, nn.Identity())


def _find_leaves(node: Any) -> set[torch.Tensor]:
    """Return the parameters that a result was computed from, according to its autograd graph."""
    seen, waiting, leaves = {node}, [node], set()
    while waiting:
        here = waiting.pop()
        if hasattr(here, "variable"):
            leaves.add(here.variable)
        for following, _ in here.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return leaves
