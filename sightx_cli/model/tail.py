"""Drop what a network computes behind its last map, where the head reads that map itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def drop_behind_map(network: Any, size_px: int) -> None:
    """Take out of a network, in place, every module whose weights its last map does not depend on.

    VGG's two layers of 4096 and MobileNetV3's closing convolution stand between the map and the classifier: with
    `pool = "flatten"` nothing would run them, and yet they would be counted, trained and stored.
    """
    was_training = network.training
    with torch.enable_grad():
        last_map = network.eval().forward_features(torch.zeros(1, 3, size_px, size_px))
    network.train(was_training)
    read = _find_leaves(last_map.grad_fn)
    for name, module in list(network.named_modules()):
        own = list(module.parameters())
        if name and own and not any(parameter in read for parameter in own):
            network.set_submodule(name, nn.Identity())


def _find_leaves(node: Any) -> set[torch.Tensor]:
    """Return the parameters that a result was computed from, by the graph that autograd keeps of it."""
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
