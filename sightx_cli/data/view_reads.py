"""Views of images that are predicted, read some images ahead: in threads, or for a GPU in processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby, islice
from pathlib import Path

from sightx_cli.data.read_ahead import CHUNK_IMAGES, CHUNKS_FOR_EACH, ENDS_READER, take_ahead
from sightx_cli.data.reader_processes import ReaderEndedError, Readers
from sightx_cli.data.readers import Given, Reading
from sightx_cli.data.test_views import ReadViews, try_views
from sightx_cli.machine import measure_threads
from sightx_cli.recipe.profiles import Profile

Item = tuple[str, str | Path | Given]
"""What an image is called, and its path or the image itself."""
HowRead = tuple[int, str, Profile | None, int, Reading]
"""Size in pixels, fit, the profile that views are drawn from (None: the plain view alone), how many, and reading."""


def read_items(
    items: Iterable[Item], how: HowRead, ahead: int, readers: Readers | None = None
) -> Iterator[tuple[str, ReadViews]]:
    """Read images in order, about so many ahead; yield what each is called and its views, or why it has none.

    Paths are read by `readers`, where there are some: a few with each call, which costs this process as much as reading
    a small image. Else, and for images in memory, in threads.
    """
    threads = measure_threads().decoding
    together = choose_together(ahead, readers, how[3])

    def make_calls(pool: ThreadPoolExecutor) -> Iterator[tuple[Sequence[Item], Future[list[ReadViews]]]]:
        for is_path, images in split_items(items, together):
            if is_path and readers is not None:
                yield images, readers.submit(try_each, [(name, str(given)) for name, given in images], how)
            else:
                yield images, pool.submit(try_each, images, how)

    with ThreadPoolExecutor(threads) as pool:
        for images, future in take_ahead(make_calls(pool), ahead // together):
            try:
                found = future.result()
            except ReaderEndedError:
                found = [read_alone(item, how, readers) for item in images]
            yield from zip((name for name, _ in images), found, strict=True)


def choose_together(ahead: int, readers: Readers | None, views: int) -> int:
    """Return how many images a call reads: as few as keep all readers busy, and no more views than of CHUNK_IMAGES."""
    if readers is None:
        return 1
    return max(1, min(CHUNK_IMAGES // views, ahead // (CHUNKS_FOR_EACH * readers.workers)))


def split_items(items: Iterable[Item], together: int) -> Iterator[tuple[bool, list[Item]]]:
    """Split images into runs of so many at the most, all of them paths, or all in memory; say which."""
    given = iter(items)
    while some := list(islice(given, together)):
        for is_path, images in groupby(some, lambda item: isinstance(item[1], (str, Path))):
            yield is_path, list(images)


def try_each(items: Sequence[Item], how: HowRead) -> list[ReadViews]:
    """Read the views of some images, each by its path, or from memory."""
    return [
        try_views(given, *how) if isinstance(given, (str, Path)) else try_views(name, *how, given)
        for name, given in items
    ]


def read_alone(item: Item, how: HowRead, readers: Readers | None) -> ReadViews:
    """Read one of some images whose reader ended, so that the one which ends it is found."""
    try:
        return readers.submit(try_each, [item], how).result()[0] if readers is not None else try_each([item], how)[0]
    except ReaderEndedError:
        return ReadViews(None, None, f"{item[0]}: {ENDS_READER}")
