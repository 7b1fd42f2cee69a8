"""Calls of a network on a GPU with few different numbers of images: what is missing of one is filled up."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

FILLED_CALLS = 8
"""So many calls with few images are filled up to a number that is planned already, before their own is planned."""


class CallCounts:
    """With how many images the calls of a module on a GPU are made: for each number that it meets it takes seconds to
    plan the convolutions (2.2 for lite0 at 224 px on an H200, which computes 256 images in 14 ms).
    """

    def __init__(self, most: int) -> None:
        """Calls have as many as `most` images; a larger one stays as it is."""
        self.most = most
        self._met = set[int]()
        self._calls: Counter[int] = Counter()

    def choose(self, images: int) -> int:
        """Return the number for a call of so many: a power of two, or `most`.

        The first few calls of a power of two are made with the next larger number met before, as is the last batch of
        many; where there are more of them, it is worth its plan.
        """
        own = max(images, min(self.most, 1 << (images - 1).bit_length()))
        self._calls[own] += 1
        larger = min((count for count in tuple(self._met) if count >= own), default=own)  # threads add to it
        count = larger if self._calls[own] <= FILLED_CALLS else own
        self._met.add(count)
        return count

    def forget_above(self, count: int) -> None:
        """Make no call with more images than these to fill it up."""
        self._met = {one for one in self._met if one <= count}


def fill_up(images: Tensor, count: int) -> Tensor:
    """Return (count, …) images, of which those that are missing are the first again, laid out in memory as they are.

    Not zeros: of an input that is the same all over a deviation is 0, and its gradient is not finite.
    """
    if len(images) == count:
        return images
    dense = images.is_contiguous(memory_format=torch.channels_last) if images.dim() == 4 else False
    layout = torch.channels_last if dense and not images.is_contiguous() else torch.contiguous_format
    shape = (count, *images.shape[1:])
    filled = torch.empty(shape, dtype=images.dtype, device=images.device, memory_format=layout)
    filled[: len(images)] = images
    filled[len(images) :] = images[:1]
    return filled
