"""The views of an image that a prediction is averaged over: changes that leave the label alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sightx_cli.data.augmentation import read_view
from sightx_cli.data.geometry import Pixels
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.data.readers import Found, Given, ImageFileError, Reading, decode_image
from sightx_cli.recipe.profiles import Profile, name_changes

Symmetry = tuple[int, bool]
"""Quarter turns, then whether it is mirrored: one of the eight symmetries of the square."""


def list_symmetries(profile: Profile) -> list[Symmetry]:
    """List the symmetries of the square that a profile allows: none first, then mirrored."""
    quarters = (0, 1, 2, 3) if profile.quarter_turns else (0,)
    found = {(quarter, False) for quarter in quarters}
    for is_allowed, turned in ((profile.horizontal_flip, 0), (profile.vertical_flip, 2)):
        if is_allowed:  # a vertical flip is half a turn and a horizontal flip
            found |= {((quarter + turned) % 4, not mirrored) for quarter, mirrored in found}
    return sorted(found, key=lambda one: (one[0], one[1]))


def count_distinct(profile: Profile) -> int:
    """Count how many different views there are: as many as asked for, where more than symmetries are allowed."""
    symmetries = {"mirroring", "upside-down", "quarter-turns"}
    return len(list_symmetries(profile)) if set(name_changes(profile)) <= symmetries else 1_000_000


def read_test_views(
    path: str | Path, size_px: int, fit: str, profile: Profile, count: int, reading: Reading, data: Given | None = None
) -> tuple[Pixels, Found]:
    """Read the plain view of an image and others, (V, size_px, size_px, 3) uint8, and what its file held.

    The symmetries of the square come first, exact to the pixel; then views as in training, the same for every image and
    every time. There are `count` of them, or as many as differ. Raises what `read_image` raises.
    """
    plain, found = read_plain_view(path, size_px, fit, reading, data)
    symmetries = list_symmetries(profile)[:count]
    views = [turn_view(plain, symmetry) for symmetry in symmetries]
    more = min(count, count_distinct(profile)) - len(views)

    def read(path: str | Path, **how: Any) -> Image.Image:
        return decode_image(path, data=data, **how).image

    views += [read_view(path, size_px, fit, profile, seed, read, reading) for seed in range(1, more + 1)]
    return np.stack(views), found


@dataclass(frozen=True)
class ReadViews:
    """The views of an image (V, S, S, 3) and what its file held; None, and why, where it cannot be read."""

    views: Pixels | None
    found: Found | None
    error: str = ""
    hint: str = ""


def try_views(
    path: str | Path,
    size_px: int,
    fit: str,
    profile: Profile | None,
    count: int,
    reading: Reading,
    data: Given | None = None,
) -> ReadViews:
    """Read the views of an image that a prediction is averaged over: the plain one alone, without a profile."""
    try:
        if profile is not None:
            return ReadViews(*read_test_views(path, size_px, fit, profile, count, reading, data))
        plain, found = read_plain_view(path, size_px, fit, reading, data)
        return ReadViews(plain[None], found)
    except (ImageFileError, OSError) as error:
        return ReadViews(None, None, str(error), getattr(error, "hint", ""))


def turn_view(view: Pixels, symmetry: Symmetry) -> Pixels:
    """Turn a view (S, S, 3) by quarters, and mirror it."""
    quarters, is_mirrored = symmetry
    turned = np.rot90(view, quarters)
    return turned[:, ::-1] if is_mirrored else turned
