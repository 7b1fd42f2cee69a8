"""Finds what would stop a training before it starts: files that cannot be read, classes with too few images."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from sightx_cli.data.readers.raster import ImageFileError, check_image
from sightx_cli.errors import DataError
from sightx_cli.progress import Listener

if TYPE_CHECKING:
    import pandas as pd

MIN_IMAGES_PER_CLASS = 2
"""One image to learn from and one to check on: the least that can be split."""

_CHUNK = 16  # files per task of a thread: less waiting between threads, and progress still moves


@dataclass(frozen=True)
class Unreadable:
    """One image that was left out, and why in a few words."""

    image: str
    error: str


def check_files(frame: pd.DataFrame, listener: Listener, threads: int) -> tuple[pd.DataFrame, list[Unreadable]]:
    """Read every file of `frame` (columns image, path) to its end; return the good rows and the unreadable images.

    One bad file never stops the rest. The good rows keep their order and get a new index.

    Raises: `DataError` if no file at all can be read.
    """
    task = "checking the files"
    paths = [str(path) for path in frame["path"]]
    listener.start(task, len(paths), "images")
    errors: dict[int, str] = {}
    try:
        for start, found in _check_in_threads(paths, max(1, threads)):
            errors.update({start + place: reason for place, reason in found.items()})
            listener.advance(task, min(_CHUNK, len(paths) - start))
    finally:
        listener.finish(task)
    images = [str(image) for image in frame["image"]]
    unreadable = [Unreadable(images[place], errors[place]) for place in sorted(errors)]
    if unreadable and len(unreadable) == len(paths):
        first = unreadable[0]
        raise DataError(
            f"none of the {len(paths)} images can be read; the first: {first.image} {first.error}",
            "check that these are image files and that you may read them",
        )
    good = frame.drop(index=frame.index[sorted(errors)]).reset_index(drop=True)
    return good, unreadable


def _check_in_threads(paths: list[str], threads: int) -> Iterator[tuple[int, dict[int, str]]]:
    """Yield (first place, {place in the chunk: reason}) as chunks finish, few at a time so that Ctrl-C is quick."""
    starts = iter(range(0, len(paths), _CHUNK))
    with ThreadPoolExecutor(threads) as pool:
        running: set[Future[tuple[int, dict[int, str]]]] = set()
        while True:
            for start in islice(starts, threads * 2 - len(running)):
                running.add(pool.submit(_check_chunk, start, paths[start : start + _CHUNK]))
            if not running:
                return
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()


def _check_chunk(start: int, paths: list[str]) -> tuple[int, dict[int, str]]:
    found: dict[int, str] = {}
    for place, path in enumerate(paths):
        try:
            check_image(path)
        except ImageFileError as error:
            found[place] = error.reason
    return start, found


def check_classes(frame: pd.DataFrame) -> None:
    """Check that the images outside valid and test can be learned from.

    Raises: `DataError` for no image at all, for a single class, and for classes with fewer than two images (all named).
    """
    pool = frame[~frame["split"].isin(["valid", "test"])]
    counts = pool["label"].value_counts()
    if counts.empty:
        raise DataError("there is no image to train on", "give a folder with one subfolder of images for each class")
    if len(counts) == 1:
        raise DataError(
            f"all {len(pool):,} images to train on are of one class, {str(counts.index[0])!r}; at least two are needed",
            "give a folder with one subfolder for each class, or a table with a column label",
        )
    few = sorted(str(label) for label, count in counts.items() if count < MIN_IMAGES_PER_CLASS)
    if few:
        names = ", ".join(repr(label) for label in few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
        raise DataError(
            f"too few images to train on in {len(few)} class{'es' if len(few) > 1 else ''}: {names} "
            f"({'each has' if len(few) > 1 else 'it has'} one); at least {MIN_IMAGES_PER_CLASS} are needed",
            "add images to it, join it with another class, or take it out",
        )
    unknown = sorted(set(frame["label"]) - {str(label) for label in counts.index})
    if unknown:
        raise DataError(
            f"the valid or test part has images of {', '.join(map(repr, unknown[:5]))}, "
            "a class that no image to train on has",
            "add images of it to the train part, or take it out",
        )
