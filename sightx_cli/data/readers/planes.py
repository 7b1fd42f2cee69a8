"""From the bands of a file, of any depth, to an upright 8-bit RGB image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightx_cli.data.readers.alpha import drop_alpha, judge_alpha, lay_over_white
from sightx_cli.data.readers.bands import Bands, merge_bands
from sightx_cli.data.readers.base import Decoded, Found, ImageFileError, Range, Reading, Values
from sightx_cli.data.readers.depth import scale_values

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by the number that EXIF and TIFF give its orientation."""


def show_planes(
    planes: NDArray[Any],
    bands: Bands,
    path: str | Path,
    reading: Reading,
    declared: Range | None = None,
    inverted: bool = False,
    orientation: int = 1,
) -> Decoded:
    """Make an RGB or grey image of planes (H, W, bands): the chosen bands, scaled to 8 bits where they are deeper.

    `declared`, `inverted`: as in `scale_values`. Raises: `ImageFileError` for pixels that are no numbers.
    """
    if planes.dtype.kind not in "buif" or planes.size == 0:
        raise ImageFileError(path, f"holds pixels that cannot be shown ({planes.dtype}, {planes.shape[:2]})")
    parts, values = _scale(planes, bands, path, reading, declared, inverted)
    image = merge_bands(parts)
    said = bands.remarks
    if bands.alpha is not None:
        image = image.convert("RGBA")
        image.putalpha(Image.fromarray(_to_alpha(planes[..., bands.alpha])))
        shows_through, more = judge_alpha(image, is_grey=len(parts) == 1)
        image, said = lay_over_white(image) if shows_through else drop_alpha(image), said + more
    image = image if image.mode == "L" else image.convert("RGB")
    turn = _TURNS.get(orientation)
    return Decoded(image if turn is None else image.transpose(turn), Found(values=values, remarks=said))


def _scale(
    planes: NDArray[Any], bands: Bands, path: str | Path, reading: Reading, declared: Range | None, inverted: bool
) -> tuple[list[Image.Image], tuple[Values, ...]]:
    """Return the chosen bands as grey images, and what their values are where they are deeper than 8 bits."""
    places = list(bands.shown)
    if planes.dtype in (np.uint8, np.bool_):
        levels = planes.astype(np.uint8) * 255 if planes.dtype == np.bool_ else planes
        levels = 255 - levels if inverted else levels
        return [Image.fromarray(np.ascontiguousarray(levels[..., place])) for place in places], ()
    if bands.are_colours:
        chosen = planes[..., places[0]] if len(places) == 1 else planes[..., places]
        levels, found = scale_values(chosen, path, reading, declared, inverted)
        return list(Image.fromarray(levels).split()), (found,)
    scaled = [scale_values(planes[..., place], path, reading, declared, inverted, place + 1) for place in places]
    return [Image.fromarray(levels) for levels, _ in scaled], tuple(found for _, found in scaled)


def _to_alpha(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale an alpha channel to 8 bits over its type's whole range (fractions: 0 to 1)."""
    if plane.dtype == np.uint8:
        return np.ascontiguousarray(plane)
    largest = 1.0 if plane.dtype.kind in "bf" else float(np.iinfo(plane.dtype).max)
    levels: NDArray[np.float32] = np.nan_to_num(plane.astype(np.float32)) * np.float32(255 / largest)
    return np.asarray(np.clip(levels + 0.5, 0, 255), np.uint8)
