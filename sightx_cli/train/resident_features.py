"""Cached features on a GPU for a whole stage, where they fit: a step sends the numbers of its rows alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightx_cli.engine.torch_forward import measure_free, send
from sightx_cli.features.extraction import Features, measure_row
from sightx_cli.train.device_images import RESIDENT_SHARE

SENT_ROWS = 1024
"""Rows that are sent at a time."""


class ResidentFeatures:
    """Outputs of some images in several views, in the type in which they are stored, on one device."""

    def __init__(self, views: Sequence[Features], names: Sequence[str], device: torch.device) -> None:
        self._device = device
        self._kept = {name: send_views(views, name, device) for name in names}

    def gather(self, name: str, rows: NDArray[np.int64], view_of: NDArray[np.int64]) -> Tensor:
        """Return one output of the images at these rows, each in its view, (rows, …)."""
        numbers, places = send(torch.from_numpy(np.stack([view_of, rows])), self._device)
        return self._kept[name][numbers, places]


def send_views(views: Sequence[Features], name: str, device: torch.device) -> Tensor:
    """Send one output of all images in all views, (views, images, …)."""
    column, count = views[0].columns[name], len(views[0])
    like = torch.from_numpy(np.empty(0, np.dtype(column.dtype)))
    kept = torch.empty((len(views), count, *column.shape), dtype=like.dtype, device=device)
    for number, view in enumerate(views):
        for start in range(0, count, SENT_ROWS):
            rows = np.arange(start, min(start + SENT_ROWS, count))
            kept[number, start : start + len(rows)] = send(torch.from_numpy(view.take(name, rows)), device)
        view.release()
    return kept


def settle_on_device(
    views: Sequence[Features], names: Sequence[str], device: torch.device, free_bytes: int | None = None
) -> ResidentFeatures | None:
    """Put features on a device that has the room for them; None where it has not, and on the CPU, where they are.

    `free_bytes` may be taken (None: what a GPU has free); half of it is left to what trains.
    """
    free = measure_free(device) if free_bytes is None else free_bytes
    needed = len(views) * len(views[0]) * measure_row({name: views[0].columns[name] for name in names})
    if free is None or needed > RESIDENT_SHARE * free:
        return None
    return ResidentFeatures(views, names, device)
