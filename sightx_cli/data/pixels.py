"""Pixels kept in memory within a share of what is free, so that reading an image again does not decode it again."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any

from PIL import Image

from sightx_cli.data.augmentation import read_view
from sightx_cli.data.geometry import Pixels
from sightx_cli.data.readers import AS_IS, Found, Given, Reading, decode_image, holding_pixels, read_pixels
from sightx_cli.machine import measure_free_memory

SHARE_OF_FREE_MEMORY = 0.25
LARGEST_BUDGET_BYTES = 2 * 1024**3
UNKNOWN_BUDGET_BYTES = 512 * 1024**2
"""If the system does not report how much memory is free."""


def measure_budget() -> int:
    """Return how many bytes decoded images may take: a quarter of the free memory, 2 GiB at the most."""
    free = measure_free_memory()
    return UNKNOWN_BUDGET_BYTES if free is None else min(int(free * SHARE_OF_FREE_MEMORY), LARGEST_BUDGET_BYTES)


def read_plain_view(
    path: str | Path, size_px: int, fit: str, reading: Reading, data: Given | None = None
) -> tuple[Pixels, Found]:
    """Read an image's plain view (size_px, size_px, 3) uint8, as it is measured and predicted, and what was found.

    `data` is the image where it is in memory; `path` is then what it is called in errors.

    Raises what `read_image` raises.
    """
    found = Found()

    def read(path: str | Path, **how: Any) -> Image.Image:
        nonlocal found
        decoded = decode_image(path, data=data, **how)
        found = decoded.found
        return decoded.image

    return read_view(path, size_px, fit, None, 0, read, reading), found


class DecodedImages:
    """Reads images as `read_pixels` does and keeps what it decoded, at no more than the size asked for, in a budget.

    What no longer fits is decoded each time; nothing is evicted for it, since every epoch reads every image once.
    """

    def __init__(self, budget_bytes: int | None = None) -> None:
        self._left = measure_budget() if budget_bytes is None else budget_bytes
        self._kept: dict[tuple[str, int | None, int | None, Reading], Image.Image] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def read(
        self,
        path: str | Path,
        min_side_px: int | None = None,
        min_long_side_px: int | None = None,
        reading: Reading = AS_IS,
    ) -> Image.Image:
        """Return an image, from memory where it is kept; raises what `read_image` raises."""
        key = (str(path), min_side_px, min_long_side_px, reading)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        image = decode_shrunk(path, min_side_px, min_long_side_px, reading)
        cost = (1 if image.mode == "L" else 4) * image.width * image.height  # Pillow keeps RGB in four bytes
        with self._lock:
            if cost <= self._left and key not in self._kept:
                self._left -= cost
                self._kept[key] = image
        return image


class PlainViews:
    """Images as they are measured and predicted: their views (S, S, 3) uint8, kept within a budget by their digests."""

    def __init__(
        self,
        size_px: int,
        fit: str,
        known: Collection[str] = (),
        budget_bytes: int | None = None,
        reading: Reading = AS_IS,
    ) -> None:
        self.size_px, self.fit, self.reading = size_px, fit, reading
        self._view_bytes = 3 * size_px**2
        self.known = known
        """Digests of images whose views are not needed."""
        self._left = measure_budget() if budget_bytes is None else budget_bytes
        self._kept: dict[str, Pixels] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def read(self, path: str, digest: str) -> Pixels:
        """Return an image's view, from memory where it is kept; raises what `read_image` raises."""
        kept = self._kept.get(digest)
        if kept is not None:
            return kept
        pixels = read_view(path, self.size_px, self.fit, None, 0, reading=self.reading)
        if self._take_room(digest):
            self._kept[digest] = pixels
        return pixels

    def decode(self, path: str, digest: str, data: bytes | None) -> Found | None:
        """Decode an image to its end, keep its view, and return what was found; None where it is one of `known` or no
        longer fits.

        Raises what `read_image` raises.
        """
        if digest in self.known or not self._take_room(digest):
            return None
        self._kept[digest], found = read_plain_view(path, self.size_px, self.fit, self.reading, data)
        return found

    def take_rooms(self, views: int) -> int:
        """Take room for so many views that others decode, or for as many as there is; `put` or `give_back` each."""
        with self._lock:
            taken = min(views, self._left // self._view_bytes)
            self._left -= taken * self._view_bytes
        return taken

    def put(self, digest: str, pixels: Pixels) -> None:
        """Keep a view that room was taken for."""
        if digest in self._kept:
            self.give_back(1)
        self._kept[digest] = pixels

    def give_back(self, views: int) -> None:
        """Give back room for so many views."""
        with self._lock:
            self._left += views * self._view_bytes

    def pop(self, digest: str) -> Pixels | None:
        """Hand over an image's view, once; None where it is not kept."""
        return self._kept.pop(digest, None)

    def clear(self) -> None:
        """Drop every view that was not asked for, and keep nothing more."""
        self._left = 0
        self._kept.clear()

    def _take_room(self, digest: str) -> bool:
        """Count one more view against the budget; False where it does not fit, or is there already."""
        with self._lock:
            if digest in self._kept or self._view_bytes > self._left:
                return False
            self._left -= self._view_bytes
            return True


def decode_shrunk(
    path: str | Path, min_side_px: int | None = None, min_long_side_px: int | None = None, reading: Reading = AS_IS
) -> Image.Image:
    """Read an image, of no less than the sides asked for and less than twice one; raises what `read_image` raises."""
    with holding_pixels():
        image = read_pixels(path, min_side_px, min_long_side_px, reading=reading)
        return shrink(image, min_side_px, min_long_side_px)


def shrink(image: Image.Image, min_side_px: int | None, min_long_side_px: int | None) -> Image.Image:
    """Reduce an image by a whole factor, as JPEG's draft does, to no less than the sides asked for."""
    short, long = sorted(image.size)
    factors = []
    if min_side_px is not None:
        factors.append(short // min_side_px)
    if min_long_side_px is not None:
        factors.append(long // min_long_side_px)
    factor = min(factors, default=1)
    return image.reduce(factor) if factor >= 2 else image
