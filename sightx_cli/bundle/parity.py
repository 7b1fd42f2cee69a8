"""Whether two forms of one model answer alike: the best epoch and the bundle, the bundle and what is exported of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.task.task import Task

SAME = 1e-3
"""How far two probabilities of one answer may lie apart: 1e-5 is seen of two forms of one network in float32."""


@dataclass(frozen=True)
class Parity:
    """How one form of a model compares with another on the same images."""

    images: int
    largest_difference: float
    """Of any probability."""
    changed: tuple[int, ...]
    """The indices of the images with another label."""

    @property
    def agreement(self) -> float:
        """The share of images with the same label, 0 to 1."""
        return 1 - len(self.changed) / self.images

    @property
    def holds(self) -> bool:
        """Whether no probability differs by more than SAME."""
        return self.largest_difference <= SAME


def hold_against(task: Task, expected: NDArray[np.float32], found: NDArray[np.float32]) -> Parity:
    """Hold the probabilities (N, C) of one form against those expected of the same images, at least one."""
    changed = np.flatnonzero(task.differ(expected, found))
    return Parity(len(found), float(np.abs(found - expected).max()), tuple(changed.tolist()))
