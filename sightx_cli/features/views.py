"""A view of every image: its pixels, read in threads ahead of the computation."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from math import ceil

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.augmentation import Reader, read_view
from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.reader_processes import Readers
from sightx_cli.data.readers import AS_IS, Reading, list_packages, read_pixels
from sightx_cli.engine.interface import Images
from sightx_cli.features.addresses import digest_key
from sightx_cli.features.view_processes import read_in_processes
from sightx_cli.machine import measure_threads
from sightx_cli.recipe.profiles import Profile


@dataclass(frozen=True)
class View:
    """One view of every image: size, fit, and for number ≥ 1 an augmented draw of the profile.

    `reading` is how the pixels are taken from the files, in every view alike.
    """

    size_px: int
    fit: str
    profile: Profile | None
    number: int
    seed: int
    reading: Reading = AS_IS

    @property
    def key(self) -> str:
        """The view's address in the store; the plain view 0 is the same for every profile and seed."""
        drawn = {"profile": asdict(self.profile), "number": self.number, "seed": self.seed} if self.profile else {}
        taken = {"reading": asdict(self.reading)} if self.reading != AS_IS else {}
        return digest_key({"size_px": self.size_px, "fit": self.fit, **drawn, **taken}, list_packages())

    def read(self, path: str, digest: str, reader: Reader = read_pixels) -> NDArray[np.uint8]:
        """Read an image's pixels (size_px, size_px, 3); what is drawn depends on the image, the view and the seed."""
        return read_view(path, self.size_px, self.fit, self.profile, self.seed_draw(digest), reader, self.reading)

    def seed_draw(self, digest: str) -> int:
        """Return the seed that an image's view is drawn from."""
        return (self.seed << 64) | (self.number << 48) | int(digest[:12], 16)


def plain_view(view: View) -> View:
    """Return the unaugmented view of the same size, fit and reading."""
    return View(view.size_px, view.fit, None, 0, 0, view.reading)


AHEAD_IMAGES = 16
"""Images decoded ahead of the forward, at least."""


def read_batches(
    items: Sequence[tuple[str, str]],
    view: View,
    batch: int,
    pixels: PlainViews | None = None,
    readers: Readers | None = None,
    every: int | None = None,
) -> Generator[tuple[int, Images], None, None]:
    """Read (digest, path) pairs a few batches ahead; yield (position of the first, pixels (N, H, W, 3)).

    Views that `pixels` has already decoded are taken from there. They are read by `readers`, or in threads without. No
    batch goes beyond a multiple of `every` images.
    """
    kept = View(pixels.size_px, pixels.fit, None, 0, 0, pixels.reading) if pixels is not None else None
    plain = pixels if view == kept else None
    count, step = len(items), every or max(len(items), 1)
    parts = [
        (start, min(start + batch, first + step, count))
        for first in range(0, count, step)
        for start in range(first, min(first + step, count), batch)
    ]
    if readers is not None:
        yield from read_in_processes(items, view, parts, plain, readers)
        return

    def read(path: str, digest: str) -> NDArray[np.uint8]:
        decoded = plain.pop(digest) if plain is not None else None
        return view.read(path, digest) if decoded is None else decoded

    threads = measure_threads().decoding
    waiting: deque[tuple[int, list[Future[NDArray[np.uint8]]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for start, end in parts:
            waiting.append((start, [pool.submit(read, path, digest) for digest, path in items[start:end]]))
            if len(waiting) > max(threads + 1, AHEAD_IMAGES // batch):
                first, futures = waiting.popleft()
                yield first, np.stack([future.result() for future in futures])
        for first, futures in waiting:
            yield first, np.stack([future.result() for future in futures])


class ViewReading:
    """Reads many images part by part; what comes next is read while what was computed of the last is written."""

    def __init__(
        self,
        items: Sequence[tuple[str, str]],
        view: View,
        batch: int,
        together: int,
        pixels: PlainViews | None = None,
        readers: Readers | None = None,
    ) -> None:
        """Read (digest, path) pairs in parts of `together` images, as `read_batches` does."""
        self._items, self._view, self._batch, self._together = items, view, batch, together
        self._pixels, self._readers = pixels, readers
        self._begins = self._next = 0
        self._batches = self._read_from(0)

    def take(self, start: int) -> Iterator[tuple[int, Images]]:
        """Yield the batches of the part that starts at an image, each with the position of its first in that part.

        Parts are taken in order. One that is taken again is read again, and so is what follows it.
        """
        if start != self._next:
            self.close()
            self._begins, self._batches = start, self._read_from(start)
        self._next = min(start + self._together, len(self._items))
        for first, images in islice(self._batches, ceil((self._next - start) / self._batch)):
            yield self._begins + first - start, images

    def close(self) -> None:
        """Read no further."""
        self._batches.close()

    def _read_from(self, start: int) -> Generator[tuple[int, Images], None, None]:
        return read_batches(self._items[start:], self._view, self._batch, self._pixels, self._readers, self._together)
