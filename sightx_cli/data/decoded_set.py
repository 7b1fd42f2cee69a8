"""All images of one part of a fit, decoded once: the bytes that every epoch draws its views from.

Each is what `DecodedImages` keeps of it, to the byte (or its plain view): decoded, reduced to no less than a view
needs, one channel where it is grey, at its own size. Readers write them to files that they share with this process;
where they fit nowhere, each epoch reads them anew, some chunks ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from math import ceil

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.pixel_file import FilePlace, PixelFile
from sightx_cli.data.pixel_reads import PixelRequest, Row, WrittenPixels
from sightx_cli.data.read_ahead import CHUNK_IMAGES, read_files
from sightx_cli.data.reader_processes import Readers

Rows = NDArray[np.int64]
"""Positions of images in a part."""
Room = Callable[[int], NDArray[np.uint8]]
"""Gives an array of so many bytes to be filled."""


@dataclass(frozen=True)
class Located:
    """Where the pixels of N images are in an array of bytes, and what they are: arrays (N,)."""

    offsets: NDArray[np.int64]
    heights: NDArray[np.int64]
    widths: NDArray[np.int64]
    channels: NDArray[np.int64]
    """1 of a grey image, else 3, side by side."""
    levels: NDArray[np.float64]
    """The mean level of each: what a change of contrast leaves as it is."""

    @property
    def sizes_bytes(self) -> NDArray[np.int64]:
        """How many bytes each takes."""
        return self.heights * self.widths * self.channels

    def __len__(self) -> int:
        return len(self.offsets)

    def take(self, rows: Rows) -> Located:
        """Return those at these positions."""
        return Located(*(getattr(self, one.name)[rows] for one in fields(self)))

    @staticmethod
    def from_rows(rows: Sequence[Row]) -> Located:
        """Return what readers said of the images that they wrote."""
        table = np.array(rows, np.float64).reshape(-1, len(fields(Located)))  # offsets below 2^53 are whole in it
        whole = table[:, :-1].astype(np.int64)
        offsets, heights, widths, channels = whole.T
        return Located(offsets, heights, widths, channels, table[:, -1])


@dataclass(frozen=True)
class Batch:
    """The decoded images at some positions, one behind the other in an array of bytes."""

    rows: Rows
    pixels: NDArray[np.uint8]
    images: Located


@dataclass(frozen=True)
class SharedImages:
    """A `DecodedSet` as it is told to another process."""

    places: tuple[FilePlace, ...]
    file_of: NDArray[np.int32]
    images: Located
    on_disk: bool


class DecodedSet:
    """Decoded images in files that this process holds, in memory or on disk."""

    def __init__(self, files: Sequence[PixelFile], file_of: NDArray[np.int32], images: Located, on_disk: bool) -> None:
        self.files, self.file_of, self.images, self.on_disk = files, file_of, images, on_disk

    def __len__(self) -> int:
        return len(self.file_of)

    @property
    def bytes_held(self) -> int:
        """The size of all pixels."""
        return int(self.images.sizes_bytes.sum())

    def gather(self, rows: Rows, take_room: Room) -> Batch:
        """Copy the images at these positions into one array."""
        found = self.images.take(rows)
        ends = np.cumsum(found.sizes_bytes)
        starts = ends - found.sizes_bytes
        pixels = take_room(int(ends[-1]) if len(ends) else 0)
        for number, offset, start, end in zip(self.file_of[rows], found.offsets, starts, ends, strict=True):
            self.files[number].read_into(int(offset), pixels[start:end])
        return Batch(rows, pixels, replace(found, offsets=starts))

    def stream(self, batches: Sequence[Rows], take_room: Room) -> Iterator[Batch]:
        """Yield one batch after the other."""
        for rows in batches:
            yield self.gather(rows, take_room)

    def describe(self) -> SharedImages:
        """Return what another process of this machine finds the images by, as long as this one holds them."""
        places = tuple(file.place for file in self.files)
        return SharedImages(places, self.file_of, self.images, self.on_disk)

    @staticmethod
    def attach(shared: SharedImages) -> DecodedSet:
        """Open the images that another process has decoded. Raises OSError where they cannot be opened."""
        files = [PixelFile(place=place) for place in shared.places]
        return DecodedSet(files, shared.file_of, shared.images, shared.on_disk)

    def close(self) -> None:
        """Give memory and disk space back."""
        for file in self.files:
            file.close()


class StreamedSet:
    """Images that fit nowhere decoded: read anew in each pass, some chunks ahead of the batch that is used."""

    def __init__(self, paths: Sequence[str], asked: PixelRequest, readers: Readers) -> None:
        self._paths, self._asked, self._readers = paths, asked, readers
        self._free: list[PixelFile] = []

    def __len__(self) -> int:
        return len(self._paths)

    def stream(self, batches: Sequence[Rows], take_room: Room) -> Iterator[Batch]:
        """Yield one batch after the other; raises `ImageFileError` for an image that can no longer be read."""
        chunks = (
            [self._paths[row] for row in rows[first : first + CHUNK_IMAGES]]
            for rows in batches
            for first in range(0, len(rows), CHUNK_IMAGES)
        )
        reading = read_files(chunks, self._asked, self._readers, self._take_file)
        try:
            for rows in batches:
                parts = list(islice(reading, ceil(len(rows) / CHUNK_IMAGES)))
                yield self._join(rows, parts, take_room)
        finally:
            reading.close()

    def close(self) -> None:
        """Give memory back."""
        while self._free:
            self._free.pop().close()

    def _take_file(self) -> PixelFile:
        file = self._free.pop() if self._free else PixelFile(None)
        file.bytes_used = 0
        return file

    def _join(self, rows: Rows, parts: Sequence[tuple[PixelFile, WrittenPixels]], take_room: Room) -> Batch:
        located = [Located.from_rows(written.rows) for _, written in parts]
        sizes = [int(images.sizes_bytes.sum()) for images in located]
        pixels, start, moved = take_room(sum(sizes)), 0, list[NDArray[np.int64]]()
        for (file, _), images, size in zip(parts, located, sizes, strict=True):
            file.read_into(0, pixels[start : start + size])
            self._free.append(file)
            moved.append(images.offsets + start)
            start += size
        columns = [np.concatenate([getattr(one, column.name) for one in located]) for column in fields(Located)]
        return Batch(rows, pixels, replace(Located(*columns), offsets=np.concatenate(moved)))
