"""Images mixed in pairs while layers train: mixup and CutMix, on whatever the trained part reads.

Zhang et al. 2018 (arXiv:1710.09412) blend two images and their labels, Yun et al. 2019 (arXiv:1905.04899) put a part of
one into the other. Where a frozen part stands before, what is mixed is its output (Verma et al. 2019, "Manifold mixup",
arXiv:1806.05236): so features that are computed once serve all mixtures. Without it the last stages of a network know
two thousand images by heart after two epochs.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from fastai.callback.core import Callback
from torch import Tensor

from sightx_cli.engine.torch_forward import send


class MixedImages(Callback):
    """Mixes each training batch with itself in another order, and its loss alike; one of two ways by chance, if both.

    fastai's `MixUp` and `CutMix` know one input, images, and losses of a kind; here are maps and taps, and any loss.
    """

    order = 90  # after the batch is complete

    def __init__(self, mixup: float, cutmix: float) -> None:
        self.alphas = {"mixup": mixup, "cutmix": cutmix}
        self._partners: Tensor | None = None
        self._kept_share = 1.0

    def before_batch(self) -> None:
        """Mix the inputs of a training batch; those of validation stay."""
        self._partners = None
        if not self.training:
            return
        ways = [way for way, alpha in self.alphas.items() if alpha]
        way = ways[int(np.random.randint(len(ways)))]
        share = float(np.random.beta(self.alphas[way], self.alphas[way]))
        share = max(share, 1 - share)  # the labels of the image that it is said to be weigh most
        inputs: tuple[Tensor, ...] = self.learn.xb
        partners = send(torch.randperm(len(inputs[0])), inputs[0].device)
        if way == "cutmix" and inputs[0].dim() == 4:
            inputs, share = paste_parts(inputs, partners, share)
        else:
            inputs = tuple(blend(one, partners, share) for one in inputs)
        self.learn.xb, self._partners, self._kept_share = inputs, partners, share

    def after_loss(self) -> None:
        """Take the loss by the partners' labels in, by their share."""
        if self._partners is None:
            return
        of_partners = self.learn.loss_func(self.learn.pred, *(one[self._partners] for one in self.learn.yb))
        self.learn.loss_grad = torch.lerp(of_partners, self.learn.loss_grad, self._kept_share)
        self.learn.loss = self.learn.loss_grad.clone()


def blend(batch: Tensor, partners: Tensor, share: float) -> Tensor:
    """Blend each of a batch (N, …) with its partner, of which it keeps a share of 0 to 1 itself."""
    return torch.lerp(batch[partners], batch, share)


def paste_parts(inputs: tuple[Tensor, ...], partners: Tensor, share: float) -> tuple[tuple[Tensor, ...], float]:
    """Put the same rectangle of its partner into each of a batch of maps (N, C, H, W).

    Returns the inputs, and the share of its own that each keeps, in whole pixels. Other inputs, pooled of whole images,
    are blended by that share.
    """
    maps, *pooled = inputs
    height, width = maps.shape[-2:]
    side = math.sqrt(1 - share)
    rows, columns = max(1, round(height * side)), max(1, round(width * side))
    top, left = int(np.random.randint(height - rows + 1)), int(np.random.randint(width - columns + 1))
    mixed = maps.clone(memory_format=torch.preserve_format)
    place = (..., slice(top, top + rows), slice(left, left + columns))
    mixed[place] = maps[partners][place]
    kept = 1 - rows * columns / (height * width)
    return (mixed, *(blend(one, partners, kept) for one in pooled)), kept
