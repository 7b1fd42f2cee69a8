"""Colour of a DICOM frame to 8 bits, and palettes to colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.dicom.intensities import list_strips

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PALETTE = "PALETTE COLOR"


def scale_colour(stored: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Scale colour (H, W, 3) to 8 bits by the range that its number of bits has, rounded half up."""
    if stored.dtype == np.uint8 and bits == 8:
        return stored
    scaled, most = np.empty(stored.shape, np.uint8), float(2**bits - 1)
    for top, bottom in list_strips(stored):
        levels = stored[top:bottom].astype(np.float32) * np.float32(255.0 / most)
        scaled[top:bottom] = np.clip(levels + 0.5, 0, 255).astype(np.uint8)
    return scaled


def apply_palette(stored: NDArray[Any], tags: Dataset) -> NDArray[np.uint8]:
    """Look a frame's values (H, W) up in the file's palette, as pydicom does: (H, W, 3).

    Raises what pydicom raises for a palette that is damaged.
    """
    from pydicom.pixels import apply_color_lut

    codes = np.arange(int(stored.min()), int(stored.max()) + 1, dtype=stored.dtype)[None]
    colours = apply_color_lut(codes, tags)[0, :, :3]
    # Some writers put 8-bit colours into a palette that is said to have 16 bits.
    bits = 8 if colours.dtype == np.uint8 or colours.max(initial=0) < 256 else 16
    table, whole = scale_colour(colours[None], bits)[0], np.empty((*stored.shape, 3), np.uint8)
    for top, bottom in list_strips(stored):
        whole[top:bottom] = table[stored[top:bottom].astype(np.int64) - int(codes[0, 0])]
    return whole
