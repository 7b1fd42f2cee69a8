"""The gradients of depthwise convolutions equal torch's own, whatever the kernel, stride, dilation and size."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from sightx_cli.model.timm_parts import Conv2dSame
from sightx_cli.train.fused_convolution import convolve, faster_depthwise

KERNELS = (1, 2, 3, 4, 5, 7, 9, (5, 3), (3, 7))
CASES = [
    (kernel, stride, dilation, size_px)
    for kernel, stride, dilation, size_px in itertools.product(KERNELS, (1, 2, 3), (1, 2), (9, 14, (17, 20)))
    if kernel != 9 or dilation == 1
]


def differ(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-3))


def compare(convolution: nn.Conv2d, images: Tensor) -> float:
    """Return the largest difference of outputs and gradients, of their largest value."""
    results = []
    for run in (convolution, lambda given: convolve(convolution, given)):
        given = images.clone(memory_format=torch.channels_last).requires_grad_()
        convolution.zero_grad()
        output = run(given)
        weights = torch.linspace(-1, 2, output.numel()).reshape(output.shape)
        (output * weights).sum().backward()
        results.append([output.detach(), given.grad, *(p.grad.clone() for p in convolution.parameters())])
    return max(differ(ours, theirs) for theirs, ours in zip(*results, strict=True))


def make_images(channels: int, size_px: int | tuple[int, int]) -> Tensor:
    sides = (size_px, size_px) if isinstance(size_px, int) else size_px
    return torch.randn(3, channels, *sides, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("kernel", "stride", "dilation", "size_px"), CASES)
def test_a_depthwise_gradient_is_that_of_torch(
    kernel: int | tuple[int, int], stride: int, dilation: int, size_px: int | tuple[int, int]
) -> None:
    torch.manual_seed(0)
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = tuple(dilation * (side - 1) // 2 for side in sides)
    convolution = nn.Conv2d(24, 24, kernel, stride, padding, dilation, groups=24)
    assert compare(convolution, make_images(24, size_px)) < 1e-5


@pytest.mark.parametrize("padding", [0, 1, 4, 6, (0, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_so_it_is_with_any_padding(padding: int | tuple[int, int], stride: int) -> None:
    convolution = nn.Conv2d(16, 16, 5, stride, padding, groups=16, bias=False)
    assert compare(convolution, make_images(16, 14)) < 1e-5


@pytest.mark.parametrize(("kernel", "stride", "size_px"), list(itertools.product((3, 5), (1, 2), (7, 14, (15, 22)))))
def test_so_it_is_with_the_padding_of_tensorflow(kernel: int, stride: int, size_px: int | tuple[int, int]) -> None:
    convolution = Conv2dSame(24, 24, kernel, stride, groups=24)
    assert compare(convolution, make_images(24, size_px)) < 1e-5


@pytest.mark.parametrize(("groups", "width"), [(1, 24), (4, 24), (24, 48)])
def test_other_convolutions_keep_their_gradients(groups: int, width: int) -> None:
    convolution = nn.Conv2d(24, width, 5, 2, 2, groups=groups)
    assert compare(convolution, make_images(24, 14)) < 1e-5


@pytest.mark.parametrize(("kernel", "stride"), list(itertools.product((3, 5), (1, 2))))
def test_half_precision_is_as_near_as_its_digits_allow(kernel: int, stride: int) -> None:
    convolution = nn.Conv2d(32, 32, kernel, stride, kernel // 2, groups=32)
    images, exact = make_images(32, 14), []
    for half in (False, True):
        convolution.zero_grad()
        given = images.clone(memory_format=torch.channels_last).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            output = convolve(convolution, given)
        assert output.dtype == (torch.bfloat16 if half else torch.float32)
        output.float().square().sum().backward()
        exact.append([given.grad, convolution.weight.grad.clone(), convolution.bias.grad.clone()])
    assert all(gradient.dtype == torch.float32 for gradient in exact[1])
    assert max(differ(ours, theirs) for theirs, ours in zip(*exact, strict=True)) < 2e-2


@pytest.mark.parametrize("bias", [True, False])
def test_so_is_a_pointwise_gradient_in_half_precision(bias: bool) -> None:
    convolution = nn.Conv2d(16, 40, 1, bias=bias)
    images, found = make_images(16, 14), []
    for half in (False, True):
        convolution.zero_grad()
        given = images.clone(memory_format=torch.channels_last).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            convolve(convolution, given).float().square().mean().backward()
        found.append([given.grad, *(parameter.grad.clone() for parameter in convolution.parameters())])
    assert max(differ(ours, theirs) for theirs, ours in zip(*found, strict=True)) < 2e-2


def test_a_model_has_them_for_as_long_as_it_is_asked() -> None:
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 5, padding=2, groups=16))
    images = make_images(3, 16)
    with torch.no_grad():
        before = model(images)
        with faster_depthwise(model):
            assert "forward" in vars(model[1])
            assert "forward" not in vars(model[0])
            assert torch.equal(model(images), before)
    assert "forward" not in vars(model[1])
