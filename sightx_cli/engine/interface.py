"""The one interface of the compiled forward, and how the machine's threads are shared."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)
Images = NDArray[np.uint8]
Outputs = dict[str, NDArray[np.float32]]

BATCH_IMAGES = 16
"""Images of 224 px per call: of 1, 8, 16 and 32, the quickest on two cores for tf_efficientnet_lite0."""


def choose_batch(size_px: int) -> int:
    """Return how many images of a size go into one call: as many pixels as BATCH_IMAGES of 224 px, a power of two.

    The maps of a batch, not the weights, are what a forward needs memory for: they grow with the pixels.
    """
    images = BATCH_IMAGES * (224 / size_px) ** 2
    return max(1, min(BATCH_IMAGES, int(2 ** math.floor(math.log2(max(images, 1.0))))))


PROBABILITIES = "probabilities"
"""The one output of a bundle's graph: (N, classes), each row summing to 1."""


class Forward(Protocol):
    """A compiled network: takes uint8 images (N, H, W, 3) RGB, normalises inside, gives named outputs (N, …)."""

    engine: str
    """`openvino` or `torch`."""
    precision: str
    """`float32`, `bfloat16` or `float16`: what it computes in."""
    size_px: int
    batch_images: int
    """Images per call; the last batch may have fewer."""

    def run(self, batches: Iterable[tuple[Key, Images]]) -> Iterator[tuple[Key, Outputs]]:
        """Run batches; yield (key, outputs) as they are done, in any order."""


@dataclass(frozen=True)
class ThreadBudget:
    """The machine's threads, shared: two programs that each start as many as there are cores slow each other down."""

    total: int

    @property
    def inference(self) -> int:
        """Threads that compute."""
        return self.total

    @property
    def streams(self) -> int:
        """Images batches that OpenVINO works on side by side."""
        return max(1, min(self.total, 4) if self.total > 1 else 1)

    @property
    def decoding(self) -> int:
        """Threads that read images; they mostly fill the gaps between batches."""
        return max(1, self.total)


def measure_threads() -> ThreadBudget:
    """Return the budget of this process: the processors it may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return ThreadBudget(len(affinity(0)) if affinity else os.cpu_count() or 1)
