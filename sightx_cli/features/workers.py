"""Workers that compute features elsewhere than in this process, and what they are told of the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sightx_cli.engine.interface import Precision
from sightx_cli.features.shards import Array, Columns
from sightx_cli.features.views import View

Item = tuple[str, str]
"""An image: its digest and its path."""


@dataclass(frozen=True)
class ForwardParts:
    """What a compiled forward is made of, wherever it is compiled."""

    key: str
    """What identifies it."""
    graph: Path | None
    """The converted graph; None where torch runs the module."""
    module: Any
    """The torch module of normalised images, with the names of its outputs."""
    output_names: tuple[str, ...]
    size_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    precision: Precision


class FeatureWorkers(Protocol):
    """Computes what a store lacks (see `FeatureStore.workers`)."""

    def takes(self, images: int) -> bool:
        """Tell whether so many images are worth it; few are quicker computed here, and that is said."""

    def compute(
        self, parts: ForwardParts, view: View, items: Sequence[Item], columns: Columns
    ) -> Iterator[tuple[int, dict[str, Array]]]:
        """Yield (position of the first, outputs of some images in the columns' types), in any order.

        Raises DataError for an image that a worker cannot read, RunError where workers fail.
        """
