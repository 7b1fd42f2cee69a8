"""The head: from the backbone's features to one logit per class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sightx_cli.errors import ModelError
from sightx_cli.machine import measure_memory


class FeatureScale(nn.Module):
    """Standardise features with a fixed mean and deviation, part of the directly fitted head and never trained.

    Both are buffers: the identity until `set` is called with the statistics of the training features.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))

    def set(self, mean: Tensor, deviation: Tensor) -> float:
        """Use this mean and deviation, each (F,), scaled so that whole feature vectors have length 1; returns √F.

        Scaling each feature is not enough: Adam moves every weight by its rate in each step, whatever its size. On F
        features of deviation 1 that moves a logit √F times as far, and destroys a fitted head within a few steps.
        """
        length = math.sqrt(len(mean))
        self.mean.copy_(mean)
        self.deviation.copy_(deviation * length)
        return length

    def forward(self, features: Tensor) -> Tensor:
        """Return (features − mean) / deviation, (N, F)."""
        return (features - self.mean) / self.deviation


def build_head(features: int, classes: int, hidden: Sequence[int] = (), dropout: float = 0.0) -> nn.Sequential:
    """Build a head: scale → [linear → ReLU → dropout]… → linear.

    Without hidden layers the dropout comes before the one linear layer. Dropout adds no parameters, so
    2048 → 512 → ReLU → dropout → 5 counts 1,051,653.

    Raises ModelError if this machine's memory could not even hold it.
    """
    check_head_size((features, *hidden, classes))
    layers: list[nn.Module] = [FeatureScale(features)]
    width = features
    for size in hidden:
        layers += [nn.Linear(width, size), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        width = size
    if not hidden:
        layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(width, classes))
    return nn.Sequential(*layers)


def check_head_size(widths: Sequence[int]) -> None:
    """Raise ModelError if a head of these widths takes more memory, in float32, than there is."""
    parameters = sum((width + 1) * following for width, following in pairwise(widths))
    memory = measure_memory()
    if memory is not None and 4 * parameters > memory:
        raise ModelError(
            f"the head {' → '.join(f'{width:,}' for width in widths)} would have {parameters:,} parameters, "
            f"{4 * parameters / 1e9:.1f} GB, and this machine has {memory / 1e9:.1f} GB of memory",
            "make it narrower: --set 'model.head.hidden=[256]', or with a flattened map reduce --set image.size_px",
        )


def set_linear_solution(head: nn.Sequential, weight: Tensor, bias: Tensor, mean: Tensor, deviation: Tensor) -> None:
    """Copy a linear probe's solution into a head without hidden layers: weight (C, F), bias (C,), scale (F,) each."""
    scale, linear = head[0], head[-1]
    if not isinstance(scale, FeatureScale) or not isinstance(linear, nn.Linear) or len(head) != 3:
        raise ValueError("only a head without hidden layers can take a linear solution")
    length = scale.set(mean, deviation)
    with torch.no_grad():
        linear.weight.copy_(weight * length)
        linear.bias.copy_(bias)


def read_linear_solution(head: nn.Sequential) -> tuple[NDArray[np.float32], ...]:
    """Return a head without hidden layers as arrays: weight (C, F), bias (C,), mean and deviation (F,) each."""
    scale, linear = head[0], head[-1]
    assert isinstance(scale, FeatureScale)
    assert isinstance(linear, nn.Linear)
    tensors = (linear.weight, linear.bias, scale.mean, scale.deviation)
    return tuple(tensor.detach().cpu().numpy() for tensor in tensors)
