"""Views of many images read by processes straight into batches: for a device that computes faster than threads read."""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sightx_cli.data.pixel_file import PixelFile
from sightx_cli.data.pixel_reads import ViewItem, WrittenPixels, write_views
from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.read_ahead import CHUNK_IMAGES, CHUNKS_FOR_EACH, ENDS_READER, take_ahead
from sightx_cli.data.reader_processes import ReaderEndedError, Readers, choose_processes, open_readers
from sightx_cli.engine.interface import Forward, Images

if TYPE_CHECKING:
    from sightx_cli.features.views import View

NOTHING_TO_READ: Future[WrittenPixels] = Future()
NOTHING_TO_READ.set_result(WrittenPixels())


@dataclass(frozen=True)
class Slot:
    """Memory that the processes write a batch into."""

    file: PixelFile
    memory: mmap.mmap


@dataclass(frozen=True)
class Chunk:
    """Some images of a batch: what a process was asked for, and where the batch begins and lies."""

    first: int
    batch: Images
    slot: Slot
    items: Sequence[ViewItem]
    is_last: bool
    """Of its batch."""


def choose_readers(forward: Forward, images: int) -> Readers | None:
    """Return what reads so many images for a forward on a device of its own; None where threads keep up with it."""
    if str(getattr(forward, "device", "cpu")) == "cpu":
        return None
    processes = choose_processes(images)
    return open_readers(processes) if processes else None


def read_in_processes(
    items: Sequence[tuple[str, str]],
    view: View,
    starts: Sequence[tuple[int, int]],
    plain: PlainViews | None,
    readers: Readers,
) -> Generator[tuple[int, Images], None, None]:
    """Read (digest, path) pairs, some chunks of images ahead; yield (position of the first, pixels (N, S, S, 3)).

    `starts` are the positions of each batch's first image and of the one after its last. Views that `plain` has decoded
    are taken from there. The memory of a batch is used again when the last array that shows it is gone.

    Raises `ImageFileError` for an image that cannot be read.
    """
    size_px, free = view.size_px, list[Slot]()
    view_bytes = 3 * size_px**2
    largest = max((end - first for first, end in starts), default=0)

    def take_slot() -> Slot:
        if free:
            return free.pop()
        file = PixelFile(None)
        return Slot(file, file.map_pixels(largest * view_bytes))

    def ask(chunk: Chunk) -> Future[WrittenPixels]:
        if not chunk.items:
            return NOTHING_TO_READ
        how = size_px, view.fit, view.profile, view.reading
        return readers.submit(write_views, chunk.slot.file.place, chunk.items, *how)

    def make_calls() -> Iterator[tuple[Chunk, Future[WrittenPixels]]]:
        for first, end in starts:
            slot = take_slot()
            batch = np.frombuffer(slot.memory, np.uint8, (end - first) * view_bytes)
            weakref.finalize(batch, free.append, slot)
            batch = batch.reshape(-1, size_px, size_px, 3)
            wanted = list[ViewItem]()
            for place, (digest, path) in enumerate(items[first:end]):
                decoded = plain.pop(digest) if plain is not None else None
                if decoded is None:
                    wanted.append((path, view.seed_draw(digest), place * view_bytes))
                else:
                    batch[place] = decoded
            for at in range(0, end - first, CHUNK_IMAGES):  # what was decoded before counts as read ahead as well
                chunk = Chunk(first, batch, slot, wanted[at : at + CHUNK_IMAGES], at + CHUNK_IMAGES >= end - first)
                yield chunk, ask(chunk)

    for chunk, future in take_ahead(make_calls(), CHUNKS_FOR_EACH * readers.workers):
        try:
            written = future.result()
        except ReaderEndedError:
            written = _read_one_by_one(chunk, ask)
        written.check()
        if chunk.is_last:
            yield chunk.first, chunk.batch


def _read_one_by_one(chunk: Chunk, ask: Callable[[Chunk], Future[WrittenPixels]]) -> WrittenPixels:
    """Read images whose reader ended, so that the one which ends it is found."""
    for item in chunk.items:
        try:
            written = ask(replace(chunk, items=[item])).result()
        except ReaderEndedError:
            return WrittenPixels((), (item[0], ENDS_READER, ""))
        if written.unreadable or written.full:
            return written
    return WrittenPixels()
