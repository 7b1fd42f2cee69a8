"""Fits an image of any shape to the network's square input: crop, pad or squash.

Resizing is bicubic with `reducing_gap=2`, Pillow's antialiased filter after a cheap integer reduction; the
pretrained weights were trained on bicubic images with a crop of 0.875 (timm's `crop_pct` for this family).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from sightx_cli.errors import DataError

FITS = ("crop", "pad", "squash")
CROP_PART = 0.875
"""The share of the short side that a centre crop keeps: 224 of 256, as in ImageNet's standard evaluation."""
PAD_COLOUR = (0, 0, 0)
"""Black, as around an X-ray or a fundus, and the same for every image, so that the border carries no information."""

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


Box = tuple[float, float, float, float]
"""Left, top, right, bottom in the image's pixels."""
Square = tuple[int, int, int, int]
"""Left, top, right, bottom in the view's pixels."""


@dataclass(frozen=True)
class Window:
    """The rectangle that fills the square, in the image's pixels; parts beyond the image are padded."""

    left: float
    top: float
    width: float
    height: float


def fit_image(image: Image.Image, size_px: int, fit: str) -> Pixels:
    """Fit an RGB or grey image into a square, the plain view: (size_px, size_px, 3) uint8.

    crop: the short side to size_px / 0.875, then the centre. pad: the whole image, black around it. squash: the whole
    image, its sides scaled to the same length.

    Raises: `DataError` for any other `fit`.
    """
    return to_array(cut_window(image, choose_window(image.size, fit), size_px))


def to_array(view: Image.Image) -> Pixels:
    """Return a view's pixels (H, W, 3), a grey one's three times."""
    return np.array(view if view.mode == "RGB" else view.convert("RGB"))


def choose_window(image_size: tuple[int, int], fit: str) -> Window:
    """The window of the plain view of an image of (width, height) pixels."""
    width, height = image_size
    if fit == "squash":
        return Window(0, 0, width, height)
    if fit == "crop":
        side = min(width, height) * CROP_PART
    elif fit == "pad":
        side = max(width, height)
    else:
        raise DataError(f"image.fit is {fit!r}; allowed: {', '.join(FITS)}", "add --set image.fit=pad")
    return Window((width - side) / 2, (height - side) / 2, side, side)


def measure_needed_sides(size_px: int, fit: str, zoom: float = 1.0) -> dict[str, int]:
    """The sides that a view of `size_px` needs of the decoded image, as arguments of `read_image`.

    `zoom` is by how much the view may enlarge the image beyond the plain one.
    """
    side = int(np.ceil(size_px * zoom / (CROP_PART if fit == "crop" else 1.0)))
    return {"min_long_side_px": side} if fit == "pad" else {"min_side_px": side}


def cut_window(
    image: Image.Image,
    window: Window,
    size_px: int,
    light: Callable[[Image.Image], Image.Image] | None = None,
) -> Image.Image:
    """Resize a window of the image to a square of `size_px` in one step, black beyond the image.

    `light` changes the resized pixels of the image, but not the black around them.
    """
    box, (x0, y0, x1, y1) = place_window(window, image.size, size_px)
    size = (x1 - x0, y1 - y0)
    part = image.resize(size, Image.Resampling.BICUBIC, box=box, reducing_gap=2.0)
    if light is not None:
        part = light(part)
    if size == (size_px, size_px):
        return part
    canvas = Image.new(part.mode, (size_px, size_px), choose_pad_colour(part))
    canvas.paste(part, (x0, y0))
    return canvas


def place_window(window: Window, image_size: tuple[int, int], size_px: int) -> tuple[Box, Square]:
    """Return what of a window lies within an image of (width, height), and where in the square of `size_px` it goes."""
    left, top = max(window.left, 0.0), max(window.top, 0.0)
    right = min(window.left + window.width, image_size[0])
    bottom = min(window.top + window.height, image_size[1])
    scale_x, scale_y = size_px / window.width, size_px / window.height
    x0, x1 = _span((left - window.left) * scale_x, (right - window.left) * scale_x, size_px)
    y0, y1 = _span((top - window.top) * scale_y, (bottom - window.top) * scale_y, size_px)
    return (left, top, right, bottom), (x0, y0, x1, y1)


def choose_pad_colour(image: Image.Image) -> int | tuple[int, int, int]:
    """Return PAD_COLOUR as an image of this many channels takes it."""
    return PAD_COLOUR[0] if image.mode == "L" else PAD_COLOUR


def place_square(
    square: np.ndarray[Any, np.dtype[np.float32]], image_size: tuple[int, int], fit: str
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Lay values of the plain view (S, S) over the image of (width, height) pixels: (height, width), undoing the fit.

    What the view does not show, cut off by a crop, is NaN; what lies on the border that pad adds is dropped. Values are
    of a density: each keeps its size.
    """
    window, (width, height), side = choose_window(image_size, fit), image_size, len(square)
    left, top = max(window.left, 0.0), max(window.top, 0.0)
    right, bottom = min(window.left + window.width, width), min(window.top + window.height, height)
    scale_x, scale_y = side / window.width, side / window.height
    start = (left - window.left) * scale_x, (top - window.top) * scale_y
    end = (right - window.left) * scale_x, (bottom - window.top) * scale_y
    x0, x1 = _span(left, right, width)
    y0, y1 = _span(top, bottom, height)
    values = Image.fromarray(np.ascontiguousarray(square, np.float32))
    placed = np.full((height, width), np.nan, np.float32)
    placed[y0:y1, x0:x1] = np.asarray(values.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=(*start, *end)))
    return placed


def _span(start: float, end: float, limit_px: int) -> tuple[int, int]:
    """Whole pixels of a span, at least one: an image 4,000 px wide and 3 px high remains visible."""
    first = min(round(start), limit_px - 1)
    return first, max(round(end), first + 1)
