"""Checks many files in processes, as threads do: half a millisecond each, which is mostly Python's own work."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from sightx_cli.data.contents import FileFacts, MeasureParts, measure_file
from sightx_cli.data.pixel_file import FilePlace, PixelFile, opening_place
from sightx_cli.data.pixels import PlainViews, read_plain_view
from sightx_cli.data.read_ahead import CHUNKS_FOR_EACH, ENDS_READER, take_ahead
from sightx_cli.data.reader_processes import ReaderEndedError, ReaderPool, Readers, choose_processes
from sightx_cli.data.readers import Found, Reading, check_image
from sightx_cli.dicom.pseudonyms import is_key_private

LEAST_CHECKED = 2_000
"""Of fewer files the check is done in about a second by threads."""
CHUNK_FILES = 32
DIGEST_LETTERS = 32


@dataclass(frozen=True)
class ViewsKept:
    """Which plain views are kept of the files that are checked: how many, of what size, where."""

    most: int
    size_px: int
    fit: str
    target: FilePlace
    known: FilePlace
    known_count: int
    """Digests of images whose views are not needed are in the file `known`, one behind the other."""


@dataclass(frozen=True)
class CheckedChunk:
    """What a process found in some files, and of which of them it has written the plain views."""

    facts: list[FileFacts]
    kept: list[str]
    """Digests, in the order of the views."""
    has_own_key: bool = False
    """Whether the pseudonyms of patients are by a key that no other process has."""


def check_chunk(paths: Sequence[str], reading: Reading, views: ViewsKept | None) -> CheckedChunk:
    """Read each file once, to its end; runs in a process."""
    kept: list[str] = []
    known = load_digests(views.known, views.known_count) if views is not None else frozenset()

    def use(path: str, digest: str, data: bytes | None) -> Found:
        if views is None or len(kept) >= views.most or digest in known or digest in kept:
            return check_image(path, data, reading)
        pixels, found = read_plain_view(path, views.size_px, views.fit, reading, data)
        with opening_place(views.target) as file:
            file.seek(len(kept) * pixels.nbytes)
            file.write(pixels.data.cast("B"))
        kept.append(digest)
        return found

    return CheckedChunk([measure_file(path, use, reading) for path in paths], kept, is_key_private())


@functools.lru_cache(1)
def load_digests(place: FilePlace, count: int) -> frozenset[str]:
    """Read digests that were written by `write_digests`."""
    with opening_place(place) as file:
        text = file.read(count * DIGEST_LETTERS).decode("ascii")
    return frozenset(text[at : at + DIGEST_LETTERS] for at in range(0, len(text), DIGEST_LETTERS))


def write_digests(digests: Sequence[str]) -> PixelFile:
    """Write digests to a file that processes share: each of them reads it once."""
    shared = PixelFile(None)
    with opening_place(shared.place) as file:
        file.write("".join(digests).encode("ascii"))
    return shared


@contextmanager
def checking_apart(files: int, reading: Reading, pixels: PlainViews | None) -> Iterator[MeasureParts | None]:
    """Give what checks so many files in processes, which end with the block; None where threads do it as fast."""
    processes = choose_processes(files) if files >= LEAST_CHECKED else 0
    if not processes:
        yield None
        return
    with closing(ReaderPool(processes)) as pool:
        yield lambda paths: check_in_processes(paths, reading, pixels, pool)


def check_in_processes(
    paths: Sequence[str], reading: Reading, pixels: PlainViews | None, readers: Readers
) -> Iterator[tuple[int, list[FileFacts]]]:
    """Yield (place of the first, facts of a chunk of files), in order, and keep plain views as `PlainViews` does."""
    known = write_digests(sorted(pixels.known)) if pixels is not None else None
    free: list[PixelFile] = []

    def ask(part: Sequence[str], file: PixelFile, most: int) -> Future[CheckedChunk]:
        views = None
        if pixels is not None and known is not None and most:
            size = pixels.size_px, pixels.fit
            views = ViewsKept(most, *size, file.place, known.place, len(pixels.known))
        return readers.submit(check_chunk, part, reading, views)

    def make_calls() -> Iterator[tuple[tuple[int, Sequence[str], PixelFile, int], Future[CheckedChunk]]]:
        for start in range(0, len(paths), CHUNK_FILES):
            part, file = paths[start : start + CHUNK_FILES], free.pop() if free else PixelFile(None)
            most = pixels.take_rooms(len(part)) if pixels is not None else 0
            yield (start, part, file, most), ask(part, file, most)

    for (start, part, file, most), future in take_ahead(make_calls(), CHUNKS_FOR_EACH * readers.workers):
        try:
            checked = future.result()
        except ReaderEndedError:
            checked = _check_one_by_one(part, reading, readers)
        if checked.has_own_key:  # which could not be kept: a patient must be the same in all files
            checked = replace(checked, facts=check_chunk(part, reading, None).facts)
        if pixels is not None:
            for number, digest in enumerate(checked.kept):
                view = np.empty((pixels.size_px, pixels.size_px, 3), np.uint8)
                file.read_into(number * view.nbytes, view)
                pixels.put(digest, view)
            pixels.give_back(most - len(checked.kept))
        free.append(file)
        yield start, checked.facts


def _check_one_by_one(paths: Sequence[str], reading: Reading, readers: Readers) -> CheckedChunk:
    """Check files whose reader ended, so that the one which ends it is found, and no other is left out."""
    facts: list[FileFacts] = []
    for path in paths:
        try:
            facts += readers.submit(check_chunk, [path], reading, None).result().facts
        except ReaderEndedError:
            facts.append(FileFacts("", None, ENDS_READER))
    return CheckedChunk(facts, [])
