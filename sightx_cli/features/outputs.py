"""Compute what the store lacks, and read kept outputs back, row by row in the order of the images asked for."""

from __future__ import annotations

import errno
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.readers.raster import read_image
from sightx_cli.data.views import Reader, read_view
from sightx_cli.engine.interface import Forward, Images
from sightx_cli.features.shards import Half, Shard
from sightx_cli.features.store import OutputStore, digest_key
from sightx_cli.machine import measure_threads
from sightx_cli.progress import Listener
from sightx_cli.recipe.profiles import Profile

READING_VERSION = 1
"""Part of every address: raised when decoding or augmentation gives other pixels than before."""

SHARD_IMAGES = 2048
"""Images per shard: what a kill can lose."""


@dataclass(frozen=True)
class View:
    """One reading of every image: size, fit, and for number ≥ 1 an augmented draw of the profile."""

    size_px: int
    fit: str
    profile: Profile | None
    number: int
    seed: int

    @property
    def key(self) -> str:
        """The view's address in the store; the plain view 0 is the same for every profile and seed."""
        drawn = {"profile": asdict(self.profile), "number": self.number, "seed": self.seed} if self.profile else {}
        return digest_key({"size_px": self.size_px, "fit": self.fit, "reading": READING_VERSION, **drawn})

    def read(self, path: str, digest: str, reader: Reader = read_image) -> NDArray[np.uint8]:
        """Read an image's pixels (size_px, size_px, 3); what is drawn depends on the image, the view and the seed."""
        seed = (self.seed << 64) | (self.number << 48) | int(digest[:12], 16)
        return read_view(path, self.size_px, self.fit, self.profile, seed, reader)


def plain_view(view: View) -> View:
    """Return the unaugmented reading of the same size and fit."""
    return View(view.size_px, view.fit, None, 0, 0)


@dataclass(frozen=True)
class KeptOutputs:
    """Kept outputs of a list of images: row i belongs to image i."""

    shards: tuple[Shard, ...]
    shard_of: NDArray[np.int32]
    row_of: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row_of)

    def take(self, name: str, positions: NDArray[np.int64]) -> Half:
        """Return one output of the images at these positions: (len(positions), …) float16."""
        first = self.shards[0].arrays[name]
        rows = np.empty((len(positions), *first.shape[1:]), np.float16)
        shard_of, row_of = self.shard_of[positions], self.row_of[positions]
        for number in np.unique(shard_of):
            here = shard_of == number
            rows[here] = self.shards[number].arrays[name][row_of[here]]
        return rows

    def release(self) -> None:
        """Give the pages read so far back to the system."""
        for shard in self.shards:
            shard.release()


def digest_files(paths: Sequence[str]) -> list[str]:
    """Return the digest of each file's bytes: what an image is, wherever it lies."""

    def digest(path: str) -> str:
        return hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()

    with ThreadPoolExecutor(measure_threads().decoding) as pool:
        return list(pool.map(digest, paths, chunksize=64))


def estimate_bytes(images: int, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Return what keeping these outputs of so many images takes on disk."""
    return sum(2 * images * int(np.prod(shape)) for shape in shapes.values())


def keep_outputs(
    store: OutputStore,
    prefix: str,
    view: View,
    paths: Sequence[str],
    digests: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
    forward: Callable[[], Forward],
    listener: Listener,
    task: str,
    what: str,
    others: Sequence[str] = (),
) -> KeptOutputs:
    """Return the outputs of the images under a prefix and view; compute and keep those the store lacks.

    `shapes` names each output and its shape per image. `forward` builds the compiled forward, only when it is needed.
    `others` are addresses whose outputs serve too, narrowed: of the same prefix with more taps, or computed more
    exactly. Raises OSError when the disk is full; nothing half-written stays.
    """

    def find() -> list[Shard]:
        shared = (shard for address in others for shard in store.find_shards(address, view.key))
        return [*store.find_shards(prefix, view.key), *(shard.narrow(shapes) for shard in shared)]

    shards = find()
    known = {digest for shard in shards for digest in shard.digests}
    missing = {digest: path for digest, path in zip(digests, paths, strict=True) if digest not in known}
    if missing:
        compiled, items = forward(), list(missing.items())
        listener.start(task, len(items), "images")
        for start in range(0, len(items), SHARD_IMAGES):
            part = items[start : start + SHARD_IMAGES]
            with store.write_shard(prefix, view.key, [digest for digest, _ in part], shapes, what) as writer:
                for first, outputs in compiled.run(read_batches(part, view, compiled.batch_images)):
                    writer.put(first, outputs)
                    listener.advance(task, len(next(iter(outputs.values()))))
        listener.finish(task)
        shards = find()
    return _locate(shards, digests)


def read_batches(items: Sequence[tuple[str, str]], view: View, batch: int) -> Iterator[tuple[int, Images]]:
    """Read (digest, path) pairs in threads, a few batches ahead; yield (position of the first, pixels (N, H, W, 3))."""
    threads = measure_threads().decoding
    waiting: deque[tuple[int, list[Future[NDArray[np.uint8]]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(items), batch):
            part = items[start : start + batch]
            waiting.append((start, [pool.submit(view.read, path, digest) for digest, path in part]))
            if len(waiting) > threads + 1:
                first, futures = waiting.popleft()
                yield first, np.stack([future.result() for future in futures])
        for first, futures in waiting:
            yield first, np.stack([future.result() for future in futures])


def _locate(shards: Sequence[Shard], digests: Sequence[str]) -> KeptOutputs:
    """Find the shard and row of every image; raises OSError when one is gone again."""
    place = {digest: (s, r) for s, shard in enumerate(shards) for r, digest in enumerate(shard.digests)}
    if not place.keys() >= set(digests):
        raise OSError(errno.ESTALE, "another process removed them, or their disk lost them")
    found = np.array([place[digest] for digest in digests], dtype=np.int32).reshape(-1, 2)
    return KeptOutputs(tuple(shards), found[:, 0], found[:, 1])
