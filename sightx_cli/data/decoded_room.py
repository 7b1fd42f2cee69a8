"""Where the decoded images of a fit are kept: in memory, on the disk of the cache, or nowhere, by what is free."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sightx_cli.data.decoded_set import DecodedSet, Located, StreamedSet
from sightx_cli.data.pixel_file import PixelFile
from sightx_cli.data.pixel_reads import PixelRequest, Row
from sightx_cli.data.read_ahead import CHUNK_IMAGES, CHUNKS_FOR_EACH, read_files
from sightx_cli.data.reader_processes import Readers, choose_processes, open_readers
from sightx_cli.machine import measure_free_memory
from sightx_cli.progress import Listener, Notice

SAMPLE_IMAGES = 64
"""From which it is told how much room all of them will take."""
SAFETY = 1.1
"""The room asked for, of what the sample says."""
SHARE_OF_FREE_MEMORY = 0.4
"""Training needs memory too."""
SHARE_OF_FREE_DISK = 0.8
DECODING = "decoding the images"


@dataclass(frozen=True)
class Rooms:
    """How much decoded images may take, in bytes: in memory, and in a folder on disk."""

    memory: int
    disk: int
    folder: Path

    @staticmethod
    def measure(folder: Path, budget_bytes: int) -> Rooms:
        """Measure what is free, of the disk no more than the cache's budget."""
        free = measure_free_memory() or 0
        try:
            above = next(one for one in (folder, *folder.absolute().parents) if one.is_dir())
            on_disk = int(shutil.disk_usage(above).free * SHARE_OF_FREE_DISK)
        except (OSError, StopIteration):
            on_disk = 0
        return Rooms(int(free * SHARE_OF_FREE_MEMORY), min(on_disk, budget_bytes), folder)

    def choose(self, needed_bytes: int) -> tuple[Path | None, int] | None:
        """Return the folder (None: memory) and the limit for so many bytes; None where they fit nowhere."""
        if needed_bytes <= self.memory:
            return None, self.memory
        return (self.folder, self.disk) if needed_bytes <= self.disk else None


def decode_images(
    paths: Sequence[str],
    asked: PixelRequest,
    rooms: Rooms,
    listener: Listener,
    notice: Callable[[Notice], None],
    readers: Readers | None = None,
) -> DecodedSet | StreamedSet:
    """Decode all images once, where there is room for them; else return what reads them anew in each pass, and say so.

    Raises `ImageFileError` for an image that can no longer be read.
    """
    readers = readers or open_readers(choose_processes(len(paths)))
    needed = int(estimate_bytes(paths, asked, readers) * SAFETY)
    place = rooms.choose(needed)
    if place is not None:
        folder, limit = place
        try:
            decoded = _fill(paths, asked, folder, limit, listener, readers)
        except OSError as error:  # memory or disk that something else took meanwhile
            reason = error.strerror or str(error)
        else:
            if decoded is not None:
                return decoded
            reason = f"they take more than the {limit / 1e9:.1f} GB that were free"
    else:
        reason = f"memory has room for {rooms.memory / 1e9:.1f} GB and the cache's disk for {rooms.disk / 1e9:.1f} GB"
    notice(
        Notice(
            "decoded-images",
            f"the {len(paths):,} images would take {needed / 1e9:.1f} GB decoded, and are not kept ({reason}): each "
            "epoch reads their files anew (SIGHTX_CACHE moves the cache to a larger disk, SIGHTX_CACHE_BYTES enlarges "
            "it)",
            len(paths),
        )
    )
    return StreamedSet(paths, asked, readers)


def estimate_bytes(paths: Sequence[str], asked: PixelRequest, readers: Readers) -> int:
    """Return about how many bytes these images take decoded, by some from all over the list."""
    places = np.unique(np.linspace(0, max(len(paths) - 1, 0), min(len(paths), SAMPLE_IMAGES)).astype(int))
    chunks = [[paths[place] for place in part] for part in np.array_split(places, min(len(places), 8) or 1)]
    sizes = [
        height * width * channels
        for _, written in read_files(chunks, asked, readers, lambda: PixelFile(None))
        for _, height, width, channels, _ in written.rows
    ]
    return int(np.mean(sizes) * len(paths)) if sizes else 0


def _fill(
    paths: Sequence[str], asked: PixelRequest, folder: Path | None, limit: int, listener: Listener, readers: Readers
) -> DecodedSet | None:
    """Decode all images into files in a folder (None: memory); None where they take more than the limit.

    As many files as there are calls at a time: none is written to by two.
    """
    files = [PixelFile(folder) for _ in range(CHUNKS_FOR_EACH * readers.workers + 1)]
    free, rows, file_of = list(range(len(files)))[::-1], list[Row](), list[int]()
    numbers = {id(file): number for number, file in enumerate(files)}
    chunks = (paths[first : first + CHUNK_IMAGES] for first in range(0, len(paths), CHUNK_IMAGES))
    listener.start(DECODING, len(paths), "images")
    reading = read_files(chunks, asked, readers, lambda: files[free.pop()])
    try:
        for file, written in reading:
            free.append(numbers[id(file)])
            rows += written.rows
            file_of += [numbers[id(file)]] * len(written.rows)
            listener.advance(DECODING, len(written.rows))
            if sum(one.bytes_used for one in files) > limit:
                return None
    finally:
        reading.close()
        listener.finish(DECODING)
    return DecodedSet(files, np.array(file_of, np.int32), Located.from_rows(rows), folder is not None)
