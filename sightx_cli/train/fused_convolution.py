"""A convolution, the norm of fixed statistics behind it and the clamp behind that, as one step of training.

Together they are one convolution, and torch is spared the passes over the activations that each would make forward and
backward. A clamp (ReLU, ReLU6) is computed in place and undone from the output, which the next layer keeps anyway.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sightx_cli.model.timm_parts import Conv2dSame, get_same_padding
from sightx_cli.train.convolution_gradients import (
    Geometry,
    Pair,
    differentiate_all,
    flatten_positions,
    is_depthwise,
    is_pointwise,
    pad_images,
)

Limits = tuple[float, float]


@dataclass(frozen=True)
class FixedNorm:
    """What does not train of a norm with fixed statistics behind a convolution: (O,) each."""

    mean: Tensor
    inverse_deviation: Tensor

    @staticmethod
    def read(norm: nn.BatchNorm2d) -> FixedNorm:
        """Return what a norm has, for as long as its statistics do not move."""
        assert norm.running_mean is not None
        assert norm.running_var is not None
        return FixedNorm(norm.running_mean, torch.rsqrt(norm.running_var + norm.eps))


@dataclass(frozen=True)
class ConvolutionForm:
    """What makes up one step, beside its numbers that train."""

    geometry: Geometry
    norm: FixedNorm | None = None
    """The norm that is computed with it."""
    limits: Limits | None = None
    """What its outputs are clamped between."""
    precision: torch.dtype = torch.float32
    """What it computes in."""


class FusedConvolution(torch.autograd.Function):
    """A convolution of images (N, C, H, W) with weights (O, C / groups, k, k), the norm and the clamp behind it.

    With fixed statistics a norm is y = (x − μ) · γ/s + β, so both are one convolution with the weight w · γ/s and the
    bias β + (b − μ) · γ/s. The gradients are those of w, b, γ and β.
    """

    @staticmethod
    def forward(
        context: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        gamma: Tensor | None,
        beta: Tensor | None,
        form: ConvolutionForm,
    ) -> Tensor:
        """Convolve, and keep what the gradients need: beside the weights the input and the output."""
        folded, shift = _fold(weight, bias, gamma, beta, form)
        kept = images.to(form.precision)
        output = _convolve(kept, folded, shift, form.geometry)
        if form.limits is not None:
            output.clamp_(*form.limits)
        context.save_for_backward(kept, folded, weight, bias, gamma, None if form.limits is None else output)
        context.form, context.given = form, images.dtype
        return output

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of the images, the weights, the bias, γ and β, where they are wanted."""
        images, folded, weight, bias, gamma, output = context.saved_tensors
        form: ConvolutionForm = context.form
        of_images, of_weight, of_bias, of_gamma, of_beta = context.needs_input_grad[:5]
        if form.limits is not None:
            gradient = torch.ops.aten.hardtanh_backward(gradient, output, *form.limits)
        gradient = gradient.to(form.precision).contiguous(memory_format=torch.channels_last)
        wanted = (of_images, of_weight or of_gamma, of_bias or of_gamma or of_beta)
        found, of_folded, of_shift = differentiate_all(gradient, images, folded, form.geometry, wanted)
        found, norm = None if found is None else found.to(context.given), form.norm
        of_folded = None if of_folded is None else of_folded.to(weight.dtype)
        of_shift = None if of_shift is None else of_shift.to(weight.dtype)
        if norm is None:
            return found, of_folded, of_shift, None, None, None
        scale = norm.inverse_deviation if gamma is None else norm.inverse_deviation * gamma
        changed_gamma = None
        if of_gamma:
            assert of_folded is not None
            assert of_shift is not None
            centre = norm.mean if bias is None else norm.mean - bias
            along = (of_folded * weight).flatten(1).sum(1) - of_shift * centre
            changed_gamma = along * norm.inverse_deviation
        return (
            found,
            of_folded * scale.view(-1, 1, 1, 1) if of_folded is not None and of_weight else None,
            of_shift * scale if of_shift is not None and of_bias else None,
            changed_gamma,
            of_shift if of_beta else None,
            None,
        )


def _fold(
    weight: Tensor, bias: Tensor | None, gamma: Tensor | None, beta: Tensor | None, form: ConvolutionForm
) -> tuple[Tensor, Tensor | None]:
    """Return the weight and the bias of the convolution that computes the norm as well."""
    shift, norm = bias, form.norm
    if norm is not None:
        scale = norm.inverse_deviation if gamma is None else norm.inverse_deviation * gamma
        weight = weight * scale.view(-1, 1, 1, 1)
        shift = -norm.mean * scale if bias is None else (bias - norm.mean) * scale
        shift = shift if beta is None else shift + beta
    return weight.to(form.precision), None if shift is None else shift.to(form.precision)


def _convolve(images: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    stride, before, behind, dilation, groups = geometry
    padded, padding = images, before
    if before != behind:
        padded, padding = pad_images(images, before, behind), (0, 0)
    return nn.functional.conv2d(padded, weight, bias, stride, padding, dilation, groups)


def _multiply(images: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute a pointwise convolution as the product of matrices that it is: its bias is added within, and no
    convolution has to be planned."""
    count, (height, width) = len(images), images.shape[2:]
    rows = nn.functional.linear(flatten_positions(images), weight.flatten(1), bias)
    return rows.view(count, height, width, len(weight)).permute(0, 3, 1, 2)


def convolve(
    convolution: nn.Conv2d,
    images: Tensor,
    norm: nn.BatchNorm2d | None = None,
    fixed: FixedNorm | None = None,
    limits: Limits | None = None,
) -> Tensor:
    """Run a convolution, with a norm of fixed statistics behind it and a clamp behind that, where they are given."""
    gamma, beta = (None, None) if norm is None else (norm.weight, norm.bias)
    device = images.device.type
    precision = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else images.dtype
    form = ConvolutionForm(describe_geometry(convolution, images), fixed, limits, precision)
    numbers = (convolution.weight, convolution.bias, gamma, beta)
    if device == "cpu":
        convolved: Tensor = FusedConvolution.apply(images, *numbers, form)
        return convolved
    return run_by_torch(images, *numbers, form)


def run_by_torch(
    images: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    gamma: Tensor | None,
    beta: Tensor | None,
    form: ConvolutionForm,
) -> Tensor:
    """Compute what `FusedConvolution` does with torch's own gradients, which are the fast ones but on CPUs."""
    folded, shift = _fold(weight, bias, gamma, beta, form)
    kept = images.to(form.precision)
    if is_pointwise(folded, form.geometry):
        output = _multiply(kept, folded, shift)
    else:
        output = _convolve(kept, folded, shift, form.geometry)
    if form.limits is None:
        return output
    low, high = form.limits
    # Not `clamp`, whose gradient is four passes over the activations. (`hardtanh_` would copy its input to keep it.)
    if (low, high) != (0.0, math.inf):
        return nn.functional.hardtanh(output, low, high)
    return output.relu() if output._is_view() else output.relu_()  # in place a view's gradient is copied four times


def is_plain(convolution: nn.Conv2d) -> bool:
    """Tell whether `convolve` computes what a convolution does: of torch's own or timm's kind, with zeros around."""
    is_known = type(convolution) in (nn.Conv2d, Conv2dSame) and convolution.padding_mode == "zeros"
    return is_known and not isinstance(convolution.padding, str)


def describe_geometry(convolution: nn.Conv2d, images: Tensor) -> Geometry:
    """Describe how a convolution moves over such images."""
    stride, dilation, padding = _two(convolution.stride), _two(convolution.dilation), convolution.padding
    assert not isinstance(padding, str)
    before = behind = _two(padding)
    if type(convolution) is Conv2dSame:  # TensorFlow's padding, which depends on the input's size
        sides = zip(images.shape[2:], convolution.kernel_size, stride, dilation, strict=True)
        whole = [get_same_padding(*side) for side in sides]
        before = (whole[0] // 2, whole[1] // 2)
        behind = (whole[0] - before[0], whole[1] - before[1])
    return Geometry(stride, before, behind, dilation, convolution.groups)


def _two(numbers: Sequence[int]) -> Pair:
    rows, columns = numbers
    return rows, columns


@contextmanager
def faster_depthwise(model: nn.Module) -> Iterator[None]:
    """Let a model's depthwise convolutions, but those that something else runs, have the faster gradients."""
    changed = [
        module
        for module in model.modules()
        if isinstance(module, nn.Conv2d)
        and is_plain(module)
        and is_depthwise(module.weight, module.groups)
        and module.weight.device.type == "cpu"
        and "forward" not in vars(module)
    ]
    for module in changed:
        module.forward = partial(convolve, module)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in changed:
            del module.forward
