"""Views of images with one change of a profile each, read in threads ahead of the computation."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.changes import read_changed_views
from sightx_cli.data.readers import AS_IS, Reading
from sightx_cli.engine.interface import Images
from sightx_cli.features.views import AHEAD_IMAGES
from sightx_cli.machine import measure_threads
from sightx_cli.recipe.profiles import Profile


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
