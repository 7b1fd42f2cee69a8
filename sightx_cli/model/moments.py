"""Pools a map by its mean and deviation over the positions, with a gradient of one pass over the map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LEAST_VARIANCE = 1e-6
"""Added to each variance: the deviation of a map that is the same everywhere has a gradient too."""


class Moments(torch.autograd.Function):
    """The mean and the deviation (N, C, 1, 1) of maps (N, C, H, W) over their positions.

    torch differentiates each of their steps by itself: five passes over maps that are the largest of a network.
    """

    @staticmethod
    def forward(context: Any, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return both moments, and keep the map, which the next layer keeps anyway."""
        mean, deviation = measure_moments(features, (2, 3))
        context.save_for_backward(features, mean, deviation)
        return mean, deviation

    @staticmethod
    def backward(context: Any, of_mean: Tensor, of_deviation: Tensor) -> Tensor:
        """Return the gradient of the map."""
        features, mean, deviation = context.saved_tensors
        positions = features.shape[2] * features.shape[3]
        slope = of_deviation / (positions * deviation)
        start = of_mean / positions - slope * mean
        return torch.addcmul(start.to(features.dtype), features, slope.to(features.dtype))


def measure_moments(features: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the mean and the deviation over these axes, which stay, of length 1."""
    mean = features.mean(axes, keepdim=True)
    # On a CPU `var` takes twice as long.
    variance = (features - mean).square().mean(axes, keepdim=True)
    return mean, (variance + LEAST_VARIANCE).sqrt()


def pool_map(features: Tensor) -> Tensor:
    """Return the mean and the deviation over positions: (N, C, H, W) or (N, tokens, C) → (N, 2C)."""
    if features.dim() == 3:
        moments = measure_moments(features, (1,))
    elif features.requires_grad and torch.is_grad_enabled():
        moments = Moments.apply(features)
    else:
        moments = measure_moments(features, (2, 3))
    return torch.cat([moment.flatten(1) for moment in moments], dim=1)
