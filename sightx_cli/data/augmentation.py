"""Reads one view of an image: decoded, perhaps augmented, fitted to the network's square. All in Pillow, one resize.

A view with the same file, size, fit, profile and seed is always identical to the byte, so that what is
computed from it can be cached.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, radians, sin
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from sightx_cli.data.geometry import (
    CROP_PART,
    Pixels,
    Window,
    choose_pad_colour,
    choose_window,
    cut_window,
    fit_image,
    measure_needed_sides,
    to_array,
)
from sightx_cli.data.readers import AS_IS, Reading, holding_pixels, read_pixels

if TYPE_CHECKING:
    from sightx_cli.recipe.profiles import Profile


@dataclass(frozen=True)
class Draws:
    """The random draws of one view. Every number is drawn for every profile, so that no setting affects another."""

    flip_x: bool
    flip_y: bool
    quarter_turns: int
    angle_degrees: float
    closeness: float  # 0…1: how close to the largest zoom
    shift_x: float  # 0…1: position of the window within its room
    shift_y: float
    brightness: float
    contrast: float


@dataclass(frozen=True)
class Slant:
    """How a rotated window is cut from an image: from a whole-number reduction of it, by one affine transform."""

    reduction: tuple[int, int]
    """By how much the image is reduced first, across and down."""
    matrix: tuple[float, float, float, float, float, float]
    """Pillow's: x = a·(column + ½) + b·(row + ½) + c of the reduced image, and so for y with d, e, f."""
    is_enlarged: bool
    """Whether a pixel of the view is less than half a pixel of the image: then bicubic, else bilinear."""


Reader = Callable[..., Image.Image]
"""Reads an image file like `read_pixels`, with the same arguments."""


def read_view(
    path: str | Path,
    size_px: int,
    fit: str,
    profile: Profile | None,
    seed: int,
    reader: Reader = read_pixels,
    reading: Reading = AS_IS,
) -> Pixels:
    """Read one view of an image file, its pixels taken as `reading` says: (size_px, size_px, 3) uint8, RGB.

    With no profile, or one that changes nothing, it is the plain view, exactly `fit_image`. Else flips, turns,
    zoom, brightness and contrast are drawn from `seed` within what the profile calls safe. In `pad` and `squash` the
    window is the whole image, or at most `zoom` times closer; what a slanted view pushes out is only its corners. In
    `crop` it is a square between the full short side and `zoom` times closer than the plain crop, anywhere in the
    image, and if rotated, small enough to fit within it.

    Raises: `ImageFileError` if the file cannot be read, `DataError` for an unknown `fit`.
    """
    with holding_pixels():
        if profile is None or changes_nothing(profile):
            return fit_image(reader(path, **measure_needed_sides(size_px, fit), reading=reading), size_px, fit)
        image = reader(path, **measure_drawn_sides(size_px, fit, profile), reading=reading)
        return augment_image(image, size_px, fit, profile, seed)


def measure_drawn_sides(size_px: int, fit: str, profile: Profile) -> dict[str, int]:
    """The sides that augmented views need of the decoded image, as arguments of `read_image`."""
    closest = max(profile.zoom, CROP_PART * _spread(min(profile.rotation_degrees, 45.0)))
    return measure_needed_sides(size_px, fit, closest if fit == "crop" else profile.zoom)


def augment_image(image: Image.Image, size_px: int, fit: str, profile: Profile, seed: int) -> Pixels:
    """One augmented view of an RGB or grey image: (size_px, size_px, 3) uint8; see `read_view`."""
    return apply_draws(image, size_px, fit, profile.zoom, draw_changes(profile, seed))


def apply_draws(image: Image.Image, size_px: int, fit: str, zoom: float, draws: Draws) -> Pixels:
    """Make the view (size_px, size_px, 3) uint8 of an RGB or grey image that these draws say; `zoom` is the largest."""
    window = choose_view_window(image.size, fit, zoom, draws)
    if draws.angle_degrees:
        view = _cut_slanted(image, window, size_px, draws)
    else:
        view = cut_window(image, window, size_px, light=lambda part: _change_light(part, draws))
    turn = choose_turn(draws)
    return to_array(view if turn is None else view.transpose(turn))


def changes_nothing(profile: Profile) -> bool:
    """Tell whether every view is the plain one, so that not even the crop moves."""
    turns = profile.horizontal_flip or profile.vertical_flip or profile.quarter_turns or profile.rotation_degrees
    return not (turns or profile.zoom > 1 or profile.brightness or profile.contrast)


def draw_changes(profile: Profile, seed: int) -> Draws:
    """Draw one view's changes within what the profile calls safe; the same for the same seed."""
    generator = np.random.default_rng(seed)
    coins = generator.random(7)
    angle, brightness, contrast = generator.uniform(-1, 1, 3)
    return Draws(
        flip_x=bool(profile.horizontal_flip and coins[0] < 0.5),
        flip_y=bool(profile.vertical_flip and coins[1] < 0.5),
        quarter_turns=int(coins[2] * 4) if profile.quarter_turns else 0,
        angle_degrees=float(angle) * profile.rotation_degrees,
        closeness=float(coins[3]),
        shift_x=float(coins[4]),
        shift_y=float(coins[5]),
        brightness=float(brightness) * profile.brightness,
        contrast=float(contrast) * profile.contrast,
    )


def choose_turn(draws: Draws) -> Image.Transpose | None:
    """Return the symmetry of the square, one of eight, that equals the quarter turns, then the flips."""
    # Both flips are half a turn; a vertical flip is half a turn and a horizontal flip.
    quarters = (draws.quarter_turns + 2 * draws.flip_y) % 4
    turns = Image.Transpose
    if draws.flip_x != draws.flip_y:
        return (turns.FLIP_LEFT_RIGHT, turns.TRANSVERSE, turns.FLIP_TOP_BOTTOM, turns.TRANSPOSE)[quarters]
    return (None, turns.ROTATE_90, turns.ROTATE_180, turns.ROTATE_270)[quarters]


def _spread(angle_degrees: float) -> float:
    """The factor by which the upright square around a rotated unit square is larger."""
    angle = radians(angle_degrees)
    return abs(cos(angle)) + abs(sin(angle))


def choose_view_window(size: tuple[int, int], fit: str, zoom: float, draws: Draws) -> Window:
    """Return the window of an image of (width, height) pixels that these draws show, before it is rotated."""
    plain, spread = choose_window(size, fit), _spread(draws.angle_degrees)
    width, height = size
    if fit == "crop":
        # Between the whole short side and `zoom` closer than the plain crop; if rotated, still within the image.
        nearest, farthest = CROP_PART / zoom, 1.0
        side = min(width, height) * min(farthest + (nearest - farthest) * draws.closeness, 1.0 / spread)
        room_x, room_y = width - side * spread, height - side * spread
        border = side * (spread - 1) / 2
        return Window(room_x * draws.shift_x + border, room_y * draws.shift_y + border, side, side)
    factor = 1.0 / (1.0 + (zoom - 1.0) * draws.closeness)
    window_width, window_height = plain.width * factor, plain.height * factor
    left = plain.left + (plain.width - window_width) * draws.shift_x
    top = plain.top + (plain.height - window_height) * draws.shift_y
    return Window(left, top, window_width, window_height)


def _cut_slanted(image: Image.Image, window: Window, size_px: int, draws: Draws) -> Image.Image:
    """Cut a rotated window with one bilinear affine transform, directly from the image or an integer reduction of it.

    Closer to a bicubic view of 4 × the pixels than resizing first and rotating then (43.8 against 41.3 dB at half
    the size, 46.5 against 42.1 at two thirds) and twice as fast; below half a pixel per pixel bicubic is needed.
    """
    slant = measure_slant(window, size_px, draws.angle_degrees)
    if slant.reduction != (1, 1):
        image = image.reduce(slant.reduction)
    resampling = Image.Resampling.BICUBIC if slant.is_enlarged else Image.Resampling.BILINEAR
    lit, size = _change_light(image, draws), (size_px, size_px)
    return lit.transform(size, Image.Transform.AFFINE, slant.matrix, resampling, fillcolor=choose_pad_colour(lit))


def measure_slant(window: Window, size_px: int, angle_degrees: float) -> Slant:
    """Return how a window is cut, rotated by an angle about its middle, to a square of `size_px`."""
    step_x, step_y = window.width / size_px, window.height / size_px  # pixels of the image per pixel of the view
    reduction = (max(1, int(step_x)), max(1, int(step_y)))
    step_x, step_y = step_x / reduction[0], step_y / reduction[1]
    middle_x = (window.left + window.width / 2) / reduction[0]
    middle_y = (window.top + window.height / 2) / reduction[1]
    angle, half = radians(angle_degrees), size_px / 2
    xx, xy, yx, yy = step_x * cos(angle), step_x * sin(angle), -step_y * sin(angle), step_y * cos(angle)
    matrix = (xx, xy, middle_x - (xx + xy) * half, yx, yy, middle_y - (yx + yy) * half)
    return Slant(reduction, matrix, min(step_x, step_y) < 0.5)


def _change_light(part: Image.Image, draws: Draws) -> Image.Image:
    """Scale the levels about their mean by 1 + contrast, then multiply all by 1 + brightness."""
    if not draws.brightness and not draws.contrast:
        return part
    middle = float(np.asarray(part)[::4, ::4].mean())
    levels = ((np.arange(256) - middle) * (1 + draws.contrast) + middle) * (1 + draws.brightness)
    return part.point(np.clip(levels + 0.5, 0, 255).astype(np.uint8).tolist() * len(part.getbands()))
