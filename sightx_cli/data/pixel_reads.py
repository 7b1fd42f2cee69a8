"""What a reader process does: decodes a few images and writes their pixels to a file that it shares with the fit.

Imported there with nothing heavy: no torch, no pandas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.augmentation import changes_nothing, measure_drawn_sides, read_view
from sightx_cli.data.pixel_file import FilePlace, opening_place
from sightx_cli.data.pixels import decode_shrunk
from sightx_cli.data.readers import AS_IS, ImageFileError, Reading

if TYPE_CHECKING:
    from sightx_cli.recipe.profiles import Profile

LEVEL_STEP = 4
"""The mean level of an image is that of every fourth pixel of every fourth row, as in `augmentation`."""


@dataclass(frozen=True)
class PixelRequest:
    """What is kept of each image: for a profile that changes something what its views are drawn from, else the plain
    view."""

    size_px: int
    fit: str
    profile: Profile | None = None
    reading: Reading = AS_IS

    @property
    def is_drawn(self) -> bool:
        """Whether views are drawn from it; else it is the view."""
        return self.profile is not None and not changes_nothing(self.profile)

    def read(self, path: str) -> NDArray[np.uint8]:
        """Read an image's pixels: (H, W) where it is grey and views are drawn from it, else (H, W, 3).

        Raises what `read_image` raises.
        """
        if self.profile is None or changes_nothing(self.profile):
            return read_view(path, self.size_px, self.fit, None, 0, reading=self.reading)
        sides = measure_drawn_sides(self.size_px, self.fit, self.profile)
        image = decode_shrunk(path, **sides, reading=self.reading)
        if self.fit == "squash":  # what is far longer than the view would be reduced for each view of it
            least = sides["min_side_px"]
            factors = max(1, image.width // (2 * least)), max(1, image.height // (2 * least))
            image = image.reduce(factors) if factors != (1, 1) else image
        return np.asarray(image)


Row = tuple[int, int, int, int, float]
"""Where an image's pixels begin in the file, height, width, channels, and mean level."""


@dataclass(frozen=True)
class WrittenPixels:
    """What was written of some images, in their order, up to the first that could not be."""

    rows: tuple[Row, ...] = ()
    unreadable: tuple[str, str, str] | None = None
    """Path, reason and hint of an image that cannot be read."""
    full: str = ""
    """What the system says of the disk, where it has no room for one."""

    def check(self) -> None:
        """Raise `ImageFileError` for an image that could not be read, OSError for a disk without room."""
        if self.unreadable is not None:
            raise ImageFileError(*self.unreadable)
        if self.full:
            raise OSError(self.full)


def write_pixels(target: FilePlace, start: int, paths: Sequence[str], asked: PixelRequest) -> WrittenPixels:
    """Write what is kept of some images into a file, from a byte on."""
    rows: list[Row] = []

    def put(file: BinaryIO, path: str) -> None:
        nonlocal start
        pixels = asked.read(path)
        file.write(np.ascontiguousarray(pixels).data.cast("B"))
        height, width, *channels = pixels.shape
        level = float(pixels[::LEVEL_STEP, ::LEVEL_STEP].mean())
        rows.append((start, height, width, channels[0] if channels else 1, level))
        start += pixels.nbytes

    unreadable, full = _write_each(target, start, paths, put)
    return WrittenPixels(tuple(rows), unreadable, full)


ViewItem = tuple[str, int, int]
"""An image's path, the seed that its view is drawn from, and the byte of the file where it goes."""


def write_views(
    target: FilePlace, items: Sequence[ViewItem], size_px: int, fit: str, profile: Profile | None, reading: Reading
) -> WrittenPixels:
    """Write views (size_px, size_px, 3) of images into a file, each at its place."""

    def put(file: BinaryIO, item: ViewItem) -> None:
        path, seed, place = item
        pixels = read_view(path, size_px, fit, profile, seed, reading=reading)
        file.seek(place)
        file.write(pixels.data.cast("B"))

    return WrittenPixels((), *_write_each(target, 0, items, put))


def _write_each(
    target: FilePlace, start: int, items: Sequence[object], put: Callable[..., None]
) -> tuple[tuple[str, str, str] | None, str]:
    """Write items one behind the other; return the first that cannot be read, and what the system says of the disk."""
    with opening_place(target) as file:
        file.seek(start)
        for item in items:
            try:
                put(file, item)
            except ImageFileError as error:
                path = str(item[0] if isinstance(item, tuple) else item)
                return (path, error.reason, error.hint), ""
            except OSError as error:
                return None, error.strerror or str(error)
    return None, ""
