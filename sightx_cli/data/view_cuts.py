"""What the views of a batch are, in numbers: the same draws, windows and turns as `augmentation` makes one by one.

A device that cuts a whole batch at a time needs nothing else: no image is looked at here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightx_cli.data.augmentation import Draws, choose_turn, choose_view_window, draw_changes, measure_slant
from sightx_cli.data.geometry import place_window

if TYPE_CHECKING:
    from sightx_cli.recipe.profiles import Profile

Numbers = NDArray[np.float64]

_TURNS = Image.Transpose
TURNS: dict[Image.Transpose | None, tuple[bool, bool, bool]] = {
    None: (False, False, False),
    _TURNS.FLIP_LEFT_RIGHT: (False, True, False),
    _TURNS.FLIP_TOP_BOTTOM: (False, False, True),
    _TURNS.ROTATE_180: (False, True, True),
    _TURNS.TRANSPOSE: (True, False, False),
    _TURNS.ROTATE_270: (True, True, False),
    _TURNS.ROTATE_90: (True, False, True),
    _TURNS.TRANSVERSE: (True, True, True),
}
"""Each symmetry of the square as: rows and columns exchanged, then left and right, then top and bottom."""


@dataclass(frozen=True)
class Slants:
    """Rotated views: Pillow's affine transforms of reduced images (see `augmentation.Slant`), arrays of N rows."""

    matrices: Numbers
    """(N, 6)."""
    reductions: Numbers
    """Across and down (N, 2)."""
    is_enlarged: Numbers
    """1 for bicubic, 0 for bilinear (N,)."""


@dataclass(frozen=True)
class Boxes:
    """Upright views: what of each image is resized, and where in the view it goes, black around it."""

    boxes: Numbers
    """Left, top, right, bottom (N, 4) in pixels of the image."""
    squares: Numbers
    """The same in pixels of the view (N, 4)."""


@dataclass(frozen=True)
class ViewCuts:
    """How N views of `size_px` are cut; all are slanted, or none is."""

    size_px: int
    slants: Slants | None
    boxes: Boxes | None
    lights: Numbers
    """By what brightness and contrast change (N, 2)."""
    turns: Numbers
    """Of `TURNS` (N, 3)."""

    def __len__(self) -> int:
        return len(self.turns)


def draw_cuts(
    sizes: Sequence[tuple[int, int]], size_px: int, fit: str, profile: Profile, seeds: Sequence[int]
) -> ViewCuts:
    """Draw a view of each of N images of (width, height) pixels from its seed, within what the profile calls safe."""
    draws = [draw_changes(profile, seed) for seed in seeds]
    return measure_cuts(sizes, size_px, fit, profile.zoom, draws, slanted=profile.rotation_degrees > 0)


def measure_cuts(
    sizes: Sequence[tuple[int, int]], size_px: int, fit: str, zoom: float, draws: Sequence[Draws], slanted: bool
) -> ViewCuts:
    """Return how the views that these draws say are cut from images of (width, height); `zoom` is the largest."""
    windows = [choose_view_window(size, fit, zoom, one) for size, one in zip(sizes, draws, strict=True)]
    slants, boxes = None, None
    if slanted:
        found = [measure_slant(at, size_px, one.angle_degrees) for at, one in zip(windows, draws, strict=True)]
        matrices, reductions = ([one.matrix for one in found], 6), ([one.reduction for one in found], 2)
        slants = Slants(
            _tabulate(*matrices), _tabulate(*reductions), np.array([float(one.is_enlarged) for one in found])
        )
    else:
        places = [place_window(window, size, size_px) for window, size in zip(windows, sizes, strict=True)]
        boxes = Boxes(_tabulate([box for box, _ in places], 4), _tabulate([square for _, square in places], 4))
    lights = _tabulate([(one.brightness, one.contrast) for one in draws], 2)
    return ViewCuts(size_px, slants, boxes, lights, _tabulate([TURNS[choose_turn(one)] for one in draws], 3))


def _tabulate(rows: Sequence[Sequence[float]], columns: int) -> Numbers:
    return np.array(rows, np.float64).reshape(-1, columns)
