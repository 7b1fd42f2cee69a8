"""Views of images with one change of a profile each, at full strength: what is measured before they are drawn.

See `probe.tolerance`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightx_cli.data.augmentation import Draws, Reader, apply_draws
from sightx_cli.data.geometry import CROP_PART, Pixels, fit_image, measure_needed_sides
from sightx_cli.data.readers import AS_IS, Reading, holding_pixels, read_pixels
from sightx_cli.engine.interface import Images
from sightx_cli.features.views import AHEAD_IMAGES
from sightx_cli.machine import measure_threads
from sightx_cli.recipe.profiles import Profile

UPRIGHT_DEGREES = 45.0
"""A profile that rotates further than this knows no side that is up: any angle is drawn, below this the largest."""


@dataclass(frozen=True)
class ChangedViews:
    """The changes of a profile, one view for each, of images fitted to a network's square."""

    size_px: int
    fit: str
    profile: Profile
    changes: tuple[str, ...]
    seed: int
    reading: Reading = AS_IS

    def read(self, path: str, digest: str) -> NDArray[np.uint8]:
        """Read an image's views (changes, size_px, size_px, 3); what is drawn depends on the image and the seed."""
        seed = (self.seed << 64) | int(digest[:12], 16)
        how = (self.size_px, self.fit, self.profile, self.changes, seed)
        return read_changed_views(path, *how, reading=self.reading)

    def read_batches(self, items: Sequence[tuple[str, str]], batch: int) -> Iterator[tuple[int, Images]]:
        """Read the views of (digest, path) pairs; yield (position of the first, pixels (N, H, W, 3))."""
        rows: list[NDArray[np.uint8]] = []
        first = 0
        for views in self._read_ahead(items):
            rows += list(views)
            while len(rows) >= batch:
                yield first, np.stack(rows[:batch])
                first, rows = first + batch, rows[batch:]
        if rows:
            yield first, np.stack(rows)

    def _read_ahead(self, items: Sequence[tuple[str, str]]) -> Iterator[NDArray[np.uint8]]:
        waiting: deque[Future[NDArray[np.uint8]]] = deque()
        with ThreadPoolExecutor(measure_threads().decoding) as pool:
            for digest, path in items:
                waiting.append(pool.submit(self.read, path, digest))
                if len(waiting) >= AHEAD_IMAGES:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def read_changed_views(
    path: str | Path,
    size_px: int,
    fit: str,
    profile: Profile,
    changes: Sequence[str],
    seed: int,
    reader: Reader = read_pixels,
    reading: Reading = AS_IS,
) -> Pixels:
    """Read one view of an image for each change: (changes, size_px, size_px, 3) uint8.

    `changes` are names of `recipe.profiles.CHANGES` that the profile makes. Which of two directions, such as darker or
    brighter, is drawn from `seed`. Raises what `read_pixels` raises.
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
