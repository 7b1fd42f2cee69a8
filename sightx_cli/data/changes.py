"""The changes of an augmentation profile one at a time, at full strength: what is measured before they are drawn.

See `probe.tolerance`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from sightx_cli.data.augmentation import Draws, Reader, apply_draws
from sightx_cli.data.geometry import CROP_PART, Pixels, fit_image, measure_needed_sides
from sightx_cli.data.readers import AS_IS, Reading, holding_pixels, read_image
from sightx_cli.recipe.profiles import Profile

UPRIGHT_DEGREES = 45.0
"""A profile that rotates further than this knows no side that is up: any angle is drawn, below this the largest."""


def read_changed_views(
    path: str | Path,
    size_px: int,
    fit: str,
    profile: Profile,
    changes: Sequence[str],
    seed: int,
    reader: Reader = read_image,
    reading: Reading = AS_IS,
) -> Pixels:
    """Read one view of an image for each change: (changes, size_px, size_px, 3) uint8.

    `changes` are names of `recipe.profiles.CHANGES` that the profile makes. Which of two directions, such as darker or
    brighter, is drawn from `seed`. Raises what `read_image` raises.
    """
    with holding_pixels():
        image = reader(path, **measure_needed_sides(size_px, fit, profile.zoom), reading=reading)
        plain = fit_image(image, size_px, fit)
        return np.stack([change_view(plain, image, size_px, fit, profile, change, seed) for change in changes])


def change_view(
    plain: Pixels, image: Image.Image, size_px: int, fit: str, profile: Profile, change: str, seed: int
) -> Pixels:
    """Change the plain view of an RGB image as the profile may at most."""
    generator = np.random.default_rng(seed)
    first, second = generator.choice([-1.0, 1.0], 2)
    if change == "mirroring":
        return plain[:, ::-1]
    if change == "upside-down":
        return plain[::-1]
    if change == "quarter-turns":
        return np.rot90(plain, int(generator.integers(1, 4)))
    draws = keep_still(fit, profile.zoom)
    if change == "rotation":
        largest = profile.rotation_degrees
        angle = first * largest if largest <= UPRIGHT_DEGREES else generator.uniform(-largest, largest)
        draws = replace(draws, angle_degrees=float(angle))
    elif change == "zoom":
        draws = replace(draws, closeness=1.0)
    elif change == "light":
        draws = replace(draws, brightness=first * profile.brightness, contrast=second * profile.contrast)
    else:
        raise ValueError(f"{change!r} is no change of a profile")
    return apply_draws(image, size_px, fit, profile.zoom, draws)


def keep_still(fit: str, zoom: float) -> Draws:
    """Return the draws that give the plain view."""
    closeness = (1 - CROP_PART) / (1 - CROP_PART / zoom) if fit == "crop" else 0.0
    return Draws(
        flip_x=False,
        flip_y=False,
        quarter_turns=0,
        angle_degrees=0.0,
        closeness=closeness,
        shift_x=0.5,
        shift_y=0.5,
        brightness=0.0,
        contrast=0.0,
    )
