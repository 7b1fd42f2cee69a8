"""The gradients of convolutions on CPUs, as fast as their forward: the same sums, by the faster kernels of oneDNN.

What is slow in torch's own backward are depthwise convolutions (`benchmarks/depthwise.py` measures each kind):

- For the weights' gradient oneDNN has kernels of at most three columns; a wider one is computed as if each channel were
  sixteen. The columns of a gradient do not depend on each other, so a 5 × 5 gradient is one of 5 × 3 and one of 5 × 2,
  each of the columns of the images that its weights have met.
- The images' gradient is itself a convolution, of the outputs' gradient with the kernel turned round, and the forward's
  kernel computes it faster than the one made for it; with a stride that holds in half precision alone.

In half precision the weights' gradient of a pointwise convolution is faster as the product of matrices that it is.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

Pair = tuple[int, int]
Wanted = tuple[bool, bool, bool]
"""Whether the gradients of images, weights and bias are wanted."""

FAST_COLUMNS = 3
"""The widest kernel for whose weights oneDNN has a fast gradient; any number of rows is fast."""


class Geometry(NamedTuple):
    """How a convolution moves over its images: two numbers each, of rows and of columns."""

    stride: Pair
    before: Pair
    """Zeros above and to the left of the images."""
    behind: Pair
    """Zeros below and to the right."""
    dilation: Pair
    groups: int


def differentiate_all(
    gradient: Tensor, images: Tensor, weight: Tensor, geometry: Geometry, wanted: Wanted
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return a convolution's gradients of its images, weights and bias, where they are wanted."""
    if wanted[1] and gradient.dtype != torch.float32 and is_pointwise(weight, geometry):
        rows = flatten_positions(gradient)
        # torch computes the weights' gradient wherever the bias's is wanted, so that is summed here.
        return (
            differentiate(gradient, images, weight, geometry, (True, False, False))[0] if wanted[0] else None,
            (rows.t() @ flatten_positions(images)).view_as(weight),
            rows.sum(0) if wanted[2] else None,
        )
    if not is_depthwise(weight, geometry.groups):
        return differentiate(gradient, images, weight, geometry, wanted)
    return (
        differentiate_images(gradient, images, weight, geometry) if wanted[0] else None,
        differentiate_weight(gradient, images, weight, geometry) if wanted[1] else None,
        gradient.sum((0, 2, 3)) if wanted[2] else None,
    )


def differentiate_images(gradient: Tensor, images: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Return a depthwise convolution's gradient of its images, (N, C, H, W).

    With a stride the outputs' gradient is spread out first, zeros between.
    """
    stride, before, behind, dilation, groups = geometry
    around = [d * (k - 1) - p for d, k, p in zip(dilation, weight.shape[2:], before, strict=True)]
    strided = stride != (1, 1)
    uneven = before != behind
    if min(around) < 0 or (strided and gradient.dtype == torch.float32) or (uneven and not strided):
        found = differentiate(gradient, images, weight, geometry, (True, False, False))[0]
        assert found is not None
        return found
    if strided:
        count, channels = images.shape[:2]
        sides = [size + d * (k - 1) for size, d, k in zip(images.shape[2:], dilation, weight.shape[2:], strict=True)]
        spread = gradient.new_zeros(count, *sides, channels).permute(0, 3, 1, 2)
        places = [
            slice(first, first + step * size, step)
            for first, step, size in zip(around, stride, gradient.shape[2:], strict=True)
        ]
        rows, columns = (spread.shape[2 + axis] - around[axis] for axis in (0, 1))
        fit = gradient[:, :, : -(-rows // stride[0]), : -(-columns // stride[1])]
        spread[:, :, places[0], places[1]] = fit
        gradient, around = spread, [0, 0]
    return nn.functional.conv2d(gradient, weight.flip(2, 3), None, 1, around, dilation, groups)


def differentiate_weight(gradient: Tensor, images: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    """Return a depthwise convolution's gradient of its weights (C, 1, k, k), a few columns at a time."""
    channels, _, rows, columns = weight.shape
    stride, before, behind, dilation, _ = geometry
    only = (False, True, False)
    if columns <= FAST_COLUMNS:
        found = differentiate(gradient, images, weight, geometry, only)[1]
        assert found is not None
        return found
    above, below = (0, 0) if before[0] == behind[0] else (before[0], behind[0])
    kept = before[0] - above
    parts = []
    for first in range(0, columns, FAST_COLUMNS):
        width = min(FAST_COLUMNS, columns - first)
        reach = (gradient.shape[3] - 1) * stride[1] + dilation[1] * (width - 1) + 1
        left = before[1] - first * dilation[1]
        seen = pad_images(images, (above, left), (below, reach - images.shape[3] - left))
        narrow = geometry._replace(before=(kept, 0), behind=(kept, 0))
        part = differentiate(gradient, seen, weight.new_empty(channels, 1, rows, width), narrow, only)[1]
        assert part is not None
        parts.append(part)
    return torch.cat(parts, 3)


def differentiate(
    gradient: Tensor, images: Tensor, weight: Tensor, geometry: Geometry, wanted: Wanted
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Return torch's own gradients of a convolution's images, weights and bias, where they are wanted."""
    stride, before, behind, dilation, groups = geometry
    even = before == behind
    padding = before if even else (0, 0)
    if even:
        padded = images
    elif wanted[1]:
        padded = pad_images(images, before, behind)
    else:  # only its shape matters
        padded = empty_images(images, measure_padded(images, before, behind))
    of_images, of_weight, of_bias = torch.ops.aten.convolution_backward(
        gradient, padded, weight, [len(weight)], stride, padding, dilation, False, (0, 0), groups, wanted
    )
    if of_images is not None and padded is not images:
        (top, left), (height, width) = before, images.shape[2:]
        of_images = of_images[:, :, top : top + height, left : left + width]
    return of_images, of_weight, of_bias


def pad_images(images: Tensor, before: Pair, behind: Pair) -> Tensor:
    """Return images (N, C, H, W) with zeros around them, or without what lies beyond where a side is negative.

    On CPUs not by `nn.functional.pad`, which fills the whole result with zeros first; elsewhere by it, for its gradient
    copies nothing.
    """
    if before == behind == (0, 0):
        return images
    height, width = images.shape[2:]
    (top, left), (bottom, right) = before, behind
    if images.device.type != "cpu":
        return nn.functional.pad(images, (left, right, top, bottom))
    padded = empty_images(images, measure_padded(images, before, behind))
    rows = slice(max(top, 0), max(top, 0) + height + min(top, 0) + min(bottom, 0))
    columns = slice(max(left, 0), max(left, 0) + width + min(left, 0) + min(right, 0))
    inner = images[:, :, max(-top, 0) : height + min(bottom, 0), max(-left, 0) : width + min(right, 0)]
    padded[:, :, rows, columns] = inner
    padded[:, :, : rows.start] = 0
    padded[:, :, rows.stop :] = 0
    padded[:, :, rows, : columns.start] = 0
    padded[:, :, rows, columns.stop :] = 0
    return padded


def measure_padded(images: Tensor, before: Pair, behind: Pair) -> Pair:
    """Return the height and width of images (N, C, H, W) with so much around them."""
    height, width = (first + size + last for first, size, last in zip(before, images.shape[2:], behind, strict=True))
    return height, width


def empty_images(images: Tensor, sides: Pair) -> Tensor:
    """Return memory for as many images (N, C, H, W) of another height and width."""
    shape = (*images.shape[:2], *sides)
    return torch.empty(shape, dtype=images.dtype, device=images.device, memory_format=torch.channels_last)


def flatten_positions(maps: Tensor) -> Tensor:
    """Return maps (N, C, H, W) as (N · H · W, C), without a copy where they are channels_last."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def is_pointwise(weight: Tensor, geometry: Geometry) -> bool:
    """Tell whether a convolution is a product of matrices: of single points, each one, of all channels."""
    alone = geometry.stride == (1, 1) and geometry.before == geometry.behind == (0, 0)
    return alone and geometry.groups == 1 and weight.shape[2:].numel() == 1


def is_depthwise(weight: Tensor, groups: int) -> bool:
    """Tell whether weights (O, C / groups, k, k) are one kernel, of more than a point, for each of several channels."""
    return 1 < groups == len(weight) and weight.shape[1] == 1 and weight.shape[2:].numel() > 1
