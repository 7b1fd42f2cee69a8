"""Pools a map by its mean and deviation over the positions, with a gradient of one pass over the map."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

LEAST_VARIANCE = 1e-6
"""Added to each variance: the deviation of a map that is the same everywhere has a gradient too."""


class Moments(torch.autograd.Function):
    """The mean and the deviation of maps over their positions, whose axes stay, of length 1.

    torch differentiates each of their steps by itself: five passes over maps that are the largest of a network.
    """

    @staticmethod
    def forward(context: Any, features: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Return both moments, and keep the map, which the next layer keeps anyway."""
        mean, deviation = measure_moments(features, axes)
        context.save_for_backward(features, mean, deviation)
        return mean, deviation

    @staticmethod
    def backward(context: Any, of_mean: Tensor, of_deviation: Tensor) -> tuple[Tensor, None]:
        """Return the gradient of the map."""
        features, mean, deviation = context.saved_tensors
        positions = features.numel() // mean.numel()
        slope = of_deviation / (positions * deviation)
        start = of_mean / positions - slope * mean
        return torch.addcmul(start.to(features.dtype), features, slope.to(features.dtype)), None


def measure_moments(features: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the mean and the deviation over these axes, which stay, of length 1."""
    mean = features.mean(axes, keepdim=True)
    # On a CPU `var` takes twice as long.
    variance = (features - mean).square().mean(axes, keepdim=True)
    return mean, (variance + LEAST_VARIANCE).sqrt()


def pool_map(features: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Return the mean and the deviation over the axes of positions, (N, 2C), of maps or tokens.

    The axes are (2, 3) of maps (N, C, H, W), (1, 2) of maps (N, H, W, C) and (1,) of tokens (N, T, C).
    """
    if features.dim() == 4 and features.requires_grad and torch.is_grad_enabled():
        moments = Moments.apply(features, axes)
    else:
        moments = measure_moments(features, axes)
    return torch.cat([moment.flatten(1) for moment in moments], dim=1)
