"""The gradients of depthwise convolutions: torch's own against SightX's, layer by layer.

    python benchmarks/depthwise.py

Prints a table in Markdown: milliseconds of a batch of 32 maps, the least of eleven tries, and how far the gradients of
the weights and the images lie from torch's in float32, relative to their largest value.
"""

import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sightx_cli.startup.allocator import keeping_memory
from sightx_cli.startup.process import settle_process
from sightx_cli.train.convolution_gradients import Geometry, differentiate, differentiate_images, differentiate_weight

BATCH_IMAGES, TRIES = 32, 11
LAYERS = (
    *((672, 5, 1, 14), (672, 5, 2, 14), (1152, 5, 1, 7), (1152, 3, 1, 7), (480, 3, 1, 14), (480, 5, 1, 14)),
    *((240, 5, 1, 28), (240, 3, 2, 28), (144, 5, 2, 56), (144, 3, 1, 56), (96, 3, 2, 112), (384, 7, 1, 14)),
)
"""Channels, side of the kernel, stride, side of the map: those of tf_efficientnet_lite0, and one of ConvNeXt's kind."""


def time_least(compute: Callable[[], object]) -> float:
    """Return the least milliseconds of several tries, after one that warms up."""
    compute()
    seconds = []
    for _ in range(TRIES):
        began = time.perf_counter()
        compute()
        seconds.append(time.perf_counter() - began)
    return 1000 * min(seconds)


def measure_error(ours: Tensor, theirs: Tensor) -> float:
    return float((ours.float() - theirs).abs().max() / theirs.abs().max())


def measure_layer(channels: int, kernel: int, stride: int, size_px: int, dtype: torch.dtype) -> str:
    """Measure one layer in one precision; return its line of the table."""
    torch.manual_seed(0)
    images = torch.randn(BATCH_IMAGES, channels, size_px, size_px).to(dtype, memory_format=torch.channels_last)
    weight = torch.randn(channels, 1, kernel, kernel).to(dtype)
    padding = (kernel // 2, kernel // 2)
    geometry = Geometry((stride, stride), padding, padding, (1, 1), channels)
    output = nn.functional.conv2d(images, weight, None, stride, padding, 1, channels)
    gradient = torch.randn_like(output)

    def own(of_images: bool, of_weight: bool) -> tuple[Tensor | None, ...]:
        return differentiate(gradient, images, weight, geometry, (of_images, of_weight, False))

    exact = differentiate(gradient.float(), images.float(), weight.float(), geometry, (True, True, False))
    errors = (
        measure_error(differentiate_weight(gradient, images, weight, geometry), exact[1]),
        measure_error(differentiate_images(gradient, images, weight, geometry), exact[0]),
    )
    times = (
        time_least(lambda: nn.functional.conv2d(images, weight, None, stride, padding, 1, channels)),
        time_least(lambda: own(False, True)),
        time_least(lambda: differentiate_weight(gradient, images, weight, geometry)),
        time_least(lambda: own(True, False)),
        time_least(lambda: differentiate_images(gradient, images, weight, geometry)),
    )
    name = f"{channels}, {kernel} × {kernel}, stride {stride}, {size_px} px"
    cells = [name, str(dtype).removeprefix("torch."), *(f"{ms:.2f}" for ms in times), *(f"{e:.0e}" for e in errors)]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    settle_process()  # as `sightx fit` does
    print("| layer | precision | forward | weights, torch | SightX | images, torch | SightX | error | error |")
    print("|---|---|---|---|---|---|---|---|---|")
    with keeping_memory():
        for precision in (torch.float32, torch.bfloat16):
            for layer in LAYERS:
                print(measure_layer(*layer, precision), flush=True)
