"""Networks side by side that read the same images: the module that holds them, and how their names are written.

"tf_efficientnet_lite0+tf_efficientnet_lite2" is one backbone: a linear head on the features of both, cross-validated
on training images at one size, beats the better of the two alone on solar cells (quadratic kappa 0.695 → 0.709), chest
X-rays (log loss 0.065 → 0.062) and CIFAR-10 (accuracy 0.783 → 0.795), and not on retina photographs nor on ants and
bees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sightx_cli.errors import ModelError, quote
from sightx_cli.recipe.values import BESIDE

INPUTS = ("input_scale", "input_shift")
"""The buffers that bring the images to each network's own normalisation."""

Normalisation = tuple[Sequence[float], Sequence[float]]
"""The mean and the deviation of each channel, on the 0…1 scale."""


class CombinedNetwork(nn.Module):
    """Networks that read the same images, each under its own normalisation.

    The images come normalised as the first network's weights expect it. With its mean m and deviation s, and M and S of
    another network, that one reads (x · s + m − M) / S = x · (s / S) + (m − M) / S. The tensors of a network are named
    `<network>.<timm's name>`, a "." in the network's name written "_".
    """

    input_scale: Tensor
    input_shift: Tensor

    def __init__(self, networks: Mapping[str, nn.Module], normalisations: Sequence[Normalisation]) -> None:
        super().__init__()
        self.keys = tuple(name.replace(".", "_") for name in networks)
        """What each network's names begin with, in order."""
        for key, network in zip(self.keys, networks.values(), strict=True):
            self.add_module(key, network)
        mean, std = (torch.tensor([one[part] for one in normalisations], dtype=torch.float64) for part in (0, 1))
        self.register_buffer("input_scale", (std[0] / std).float()[:, :, None, None])
        self.register_buffer("input_shift", ((mean[0] - mean) / std).float()[:, :, None, None])

    @property
    def members(self) -> tuple[nn.Module, ...]:
        """The networks, in order."""
        return tuple(self.get_submodule(key) for key in self.keys)

    def normalise(self, images: Tensor, member: int) -> Tensor:
        """Return the images (N, 3, H, W), normalised for the first network, as another network expects them."""
        return images if member == 0 else images * self.input_scale[member] + self.input_shift[member]

    def find_normalisation(self, member: int, mean: Sequence[float], std: Sequence[float]) -> Normalisation:
        """Return the mean and deviation that a network expects, where those are the first one's."""
        if self.input_scale.is_meta:
            return mean, std
        scale, shift = (part[member].flatten().tolist() for part in (self.input_scale, self.input_shift))
        own_std = [s / ratio for s, ratio in zip(std, scale, strict=True)]
        return [m - moved * s for m, moved, s in zip(mean, shift, own_std, strict=True)], own_std

    def share_normalisation(self) -> dict[str, Tensor]:
        """Return the buffers by name for networks that all expect the same normalisation."""
        return {INPUTS[0]: torch.ones_like(self.input_scale), INPUTS[1]: torch.zeros_like(self.input_shift)}


def split_backbone(backbone: str) -> tuple[str, ...]:
    """Return the names of the networks of a backbone: one, or several joined by "+".

    Raises ModelError where a name is missing or there twice.
    """
    names = tuple(name.strip() for name in backbone.split(BESIDE))
    if not all(names):
        raise ModelError(
            f'backbone "{backbone}": a name is missing beside a "+"',
            "give one network, or several side by side: --backbone tf_efficientnet_lite0+tf_efficientnet_lite2",
        )
    twice = [name for place, name in enumerate(names) if name in names[:place]]
    if twice:
        raise ModelError(
            f'backbone "{backbone}": {twice[0]} is there twice',
            f"name each network once: --backbone {quote(BESIDE.join(dict.fromkeys(names)))}",
        )
    return names


def is_combined(backbone: str) -> bool:
    """Tell whether a backbone's name is that of several networks."""
    return BESIDE in backbone


def align_ends(counts: Sequence[int]) -> list[int]:
    """Return, for sequences of such lengths aligned at their ends, the place at which each begins."""
    return [max(counts) - count for count in counts]
