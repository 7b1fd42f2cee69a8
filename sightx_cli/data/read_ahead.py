"""Reads chunks of images some calls ahead of what is used, in order; a chunk whose reader ends is read one by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

from sightx_cli.data.pixel_file import PixelFile
from sightx_cli.data.pixel_reads import PixelRequest, Row, WrittenPixels, write_pixels
from sightx_cli.data.reader_processes import ReaderEndedError, Readers

CHUNK_IMAGES = 16
"""Images of one call: 15 to 50 ms of work, against the 0.03 ms that a call costs."""
CHUNKS_FOR_EACH = 2
"""Calls that each worker is given at a time, so that none waits for this process."""
ENDS_READER = "ends the program that decodes it: it is damaged"

Context = TypeVar("Context")
Given = TypeVar("Given")


def take_ahead(calls: Iterator[tuple[Context, Future[Given]]], ahead: int) -> Iterator[tuple[Context, Future[Given]]]:
    """Make calls, each by taking the next of `calls`; yield them in order, each when so many more have been made.

    Closed before its end, it cancels what has not begun.
    """
    waiting: deque[tuple[Context, Future[Given]]] = deque()
    try:
        for call in calls:
            waiting.append(call)
            if len(waiting) > ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for _, future in waiting:
            future.cancel()


def read_files(
    chunks: Iterable[Sequence[str]], asked: PixelRequest, readers: Readers, take_file: Callable[[], PixelFile]
) -> Generator[tuple[PixelFile, WrittenPixels], None, None]:
    """Decode chunks of images, each to the end of a file; yield that file and what was written, in order.

    `take_file` gives a file that no other call writes to. Raises `ImageFileError` for an image that cannot be read,
    and OSError for a disk that has no room.
    """

    def make_calls() -> Iterator[tuple[tuple[Sequence[str], PixelFile], Future[WrittenPixels]]]:
        for chunk in chunks:
            file = take_file()
            yield (chunk, file), readers.submit(write_pixels, file.place, file.bytes_used, chunk, asked)

    for (chunk, file), future in take_ahead(make_calls(), CHUNKS_FOR_EACH * readers.workers):
        try:
            written = future.result()
        except ReaderEndedError:
            written = _read_one_by_one(chunk, file, asked, readers)
        written.check()
        file.bytes_used = measure_end(written, file.bytes_used)
        yield file, written


def measure_end(written: WrittenPixels, start: int) -> int:
    """Return where the last of the images that were written ends; `start` where there is none."""
    if not written.rows:
        return start
    offset, height, width, channels, _ = written.rows[-1]
    return offset + height * width * channels


def _read_one_by_one(chunk: Sequence[str], file: PixelFile, asked: PixelRequest, readers: Readers) -> WrittenPixels:
    """Read images whose reader ended, so that the one which ends it is found."""
    rows, start = list[Row](), file.bytes_used
    for path in chunk:
        try:
            written = readers.submit(write_pixels, file.place, start, [path], asked).result()
        except ReaderEndedError:
            return WrittenPixels(tuple(rows), (path, ENDS_READER, ""))
        if not written.rows:
            return WrittenPixels(tuple(rows), written.unreadable, written.full)
        rows += written.rows
        start = measure_end(written, start)
    return WrittenPixels(tuple(rows))
