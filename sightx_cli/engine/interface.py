"""The one interface of the compiled forward: uint8 images in, named outputs out."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator
from typing import Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)
Images = NDArray[np.uint8]
Outputs = dict[str, NDArray[np.float32]]
Precision = Literal["float32", "bfloat16", "float16"]
EXACT: Precision = "float32"
"""Evaluation and the finished model compute in it: the same labels on any processor."""

BATCH_IMAGES = 4
"""Images of 224 px per call; the outputs are the same to the bit with any number. Images/s of tf_efficientnet_lite0 on
two cores, in float32 and bfloat16: on an AMD Zen 5 452 and 836 with 4, 390 and 807 with 8, 445 and 820 with 2; at
384 px 147 and 279 with 1, 131 and 270 with 2. On an Intel Emerald Rapids 150 and 303 with 4, 139 and 249 with 16."""


def choose_batch(size_px: int) -> int:
    """Return how many images of a size go into one call: as many pixels as BATCH_IMAGES of 224 px, a power of two.

    The maps of a batch, not the weights, are what a forward needs memory for: they grow with the pixels.
    """
    images = BATCH_IMAGES * (224 / size_px) ** 2
    return max(1, min(BATCH_IMAGES, int(2 ** math.floor(math.log2(max(images, 1.0))))))


DEVICE_BATCH_IMAGES = 256
"""Images of 224 px per call on a GPU: an H200 computes them in 13.3 ms (`tf_efficientnet_lite0`, bfloat16), in
which 16 processes read 160 images of 32 px. With 4 at once, as on a CPU, it took 750 images/s."""

DEVICE_BYTES_PER_PIXEL = 400
"""What a forward holds at once for each pixel of its input, in float32: resnet50's widest maps are two of 64 channels
at a quarter of the pixels and one of 256 at a sixteenth, which is 192 bytes; twice that for what kernels set aside."""

DEVICE_SHARE = 0.5
"""Of the free memory of a GPU, for the maps of a call."""

UNKNOWN_FREE_BYTES = 2_000_000_000
"""What is counted on where the free memory is not known, as by MPS, which shares that of the machine."""


def choose_device_batch(size_px: int, free_bytes: int | None) -> int:
    """Return how many images of a size go into one call on a GPU with so much free memory.

    As many pixels as DEVICE_BATCH_IMAGES of 224 px, a power of two; where that is more than the memory holds after all,
    a call is halved (`TorchForward`).
    """
    room = DEVICE_SHARE * (UNKNOWN_FREE_BYTES if free_bytes is None else free_bytes)
    images = min(DEVICE_BATCH_IMAGES * (224 / size_px) ** 2, room / (DEVICE_BYTES_PER_PIXEL * size_px**2))
    return int(2 ** math.floor(math.log2(max(images, 1.0))))


PROBABILITIES = "probabilities"
"""The first output of a bundle's graph: (N, classes), each row summing to 1."""


FEATURES = "features"
"""The output of a prefix's graph that is the whole backbone's: what the head reads, (N, F)."""


FROZEN = "frozen"
"""The second output of a bundle's graph, where it has one: features (N, F) of layers that no training changed."""


class Forward(Protocol):
    """A compiled network: takes uint8 images (N, H, W, 3) RGB, normalises inside, gives named outputs (N, …)."""

    engine: str
    """`openvino` or `torch`."""
    precision: Precision
    """What it computes in."""
    size_px: int
    batch_images: int
    """Images per call; the last batch may have fewer."""

    def run(self, batches: Iterable[tuple[Key, Images]]) -> Iterator[tuple[Key, Outputs]]:
        """Run batches; yield (key, outputs) as they are done, in any order."""
