"""What of the images is independent evidence: each by itself, or groups of them, and resamples of these."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sightx_cli.metrics.answers import Floats, Integers

RESAMPLES = 1_000
MIN_RESAMPLES = 200
MAX_WORK = 200_000_000
"""Images × resamples beyond which fewer resamples are drawn (at least `MIN_RESAMPLES`), and images × classes ×
resamples beyond which ranks are not counted anew in each: some seconds."""

_BLOCK, _BLOCK_WEIGHTS = 100, 10_000_000  # resamples held at a time, and their weights: 80 MB


@dataclass(frozen=True)
class Units:
    """The unit that each of N images belongs to, numbered 0, 1, …: (N,). Images of one patient share theirs."""

    numbers: Integers

    @cached_property
    def count(self) -> int:
        """How many units there are."""
        return int(self.numbers.max()) + 1

    @cached_property
    def are_groups(self) -> bool:
        """Whether a unit may hold several images."""
        return self.count < len(self.numbers)

    @cached_property
    def heaviest(self) -> float:
        """How many images an image's unit holds, on average over images: the most that grouping can cost."""
        sizes = np.bincount(self.numbers)
        return float((sizes**2).sum() / sizes.sum())

    def sum(self, values: Floats) -> Floats:
        """Sum values (N,) over each unit, (units,)."""
        return np.bincount(self.numbers, values).astype(np.float64)

    def draw(self, generator: np.random.Generator, resamples: int) -> Iterator[Floats]:
        """Yield how often each image occurs in each resample, (R, N), some at a time: units are drawn whole."""
        block = int(np.clip(_BLOCK_WEIGHTS // len(self.numbers), 1, _BLOCK))
        for start in range(0, resamples, block):
            rows = min(block, resamples - start)
            places = generator.integers(0, self.count, (rows, self.count)) + self.count * np.arange(rows)[:, None]
            counts = np.bincount(places.ravel(), minlength=rows * self.count)
            yield counts.reshape(rows, self.count).astype(np.float64)[:, self.numbers]


def build_units(together: Sequence[str], count: int) -> Units:
    """Number the unit of each of `count` images: its group in `together`, or itself without one ("")."""
    if name_units(together) == "images":
        return Units(np.arange(count))
    names = np.array([name or f"\0{place}" for place, name in enumerate(together)], dtype=object).astype(str)
    return Units(np.unique(names, return_inverse=True)[1].astype(np.int64))


def name_units(together: Sequence[str]) -> str:
    """Say what is independent: "groups" where images share one, else "images"."""
    named = [name for name in together if name]
    return "groups" if len(set(named)) < len(named) else "images"


def count_resamples(images: int) -> int:
    """Return how many resamples to draw of this many images."""
    return int(np.clip(MAX_WORK // images, MIN_RESAMPLES, RESAMPLES))


def is_linearised(images: int, classes: int, resamples: int) -> bool:
    """Tell whether a figure that counts ranks in each class is linearised, and not counted anew in each resample."""
    return images * classes * resamples > MAX_WORK
