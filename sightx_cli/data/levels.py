"""How bright images are, and how strong their contrasts: measured on a sample, to compare sets of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from sightx_cli.data.readers import AS_IS, ImageFileError, Reading, holding_pixels, read_image
from sightx_cli.machine import measure_threads

SAMPLE_IMAGES = 100
SIDE_PX = 64
"""Images are read no larger than that needs: means and deviations hardly change with the size."""
SAMPLE_SEED = 0


@dataclass(frozen=True)
class Span:
    """The 5, 50 and 95 percentiles of a figure over images."""

    low: float
    median: float
    high: float

    @property
    def deviation(self) -> float:
        """The standard deviation of a normal distribution with these percentiles; at least one level."""
        return max((self.high - self.low) / 3.29, 1.0)


@dataclass(frozen=True)
class Levels:
    """The mean and the standard deviation of images' grey levels, 0 to 255, over a sample of them."""

    images: int
    brightness: Span
    contrast: Span

    @staticmethod
    def from_json(table: Mapping[str, Any]) -> Levels:
        """Return what `dataclasses.asdict` made a table of; raises KeyError or TypeError where it is none."""
        return Levels(table["images"], Span(**table["brightness"]), Span(**table["contrast"]))


def measure_levels(paths: Sequence[str], reading: Reading = AS_IS) -> Levels | None:
    """Measure a sample of images, the same whatever their order; what cannot be read is left out. None without any."""
    ordered = sorted(paths)
    if len(ordered) > SAMPLE_IMAGES:
        chosen = np.random.default_rng(SAMPLE_SEED).choice(len(ordered), SAMPLE_IMAGES, replace=False)
        ordered = [ordered[place] for place in sorted(chosen)]

    def measure(path: str) -> tuple[float, float] | None:
        try:
            with holding_pixels():
                image = read_image(path, min_side_px=SIDE_PX, reading=reading)
                grey = np.asarray(image.convert("L"), np.float32)
        except (ImageFileError, OSError):
            return None
        return float(grey.mean()), float(grey.std())

    with ThreadPoolExecutor(measure_threads().decoding) as pool:
        rows = [row for row in pool.map(measure, ordered) if row is not None]
    if not rows:
        return None
    means, deviations = zip(*rows, strict=True)
    return Levels(len(rows), _measure_span(means), _measure_span(deviations))


def _measure_span(values: Sequence[float]) -> Span:
    low, median, high = (round(float(value), 2) for value in np.percentile(values, [5, 50, 95]))
    return Span(low, median, high)
