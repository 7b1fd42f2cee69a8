"""Views of images that are predicted, a few with each call: in order, and all but the one that ends its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightx_cli.data.read_ahead import CHUNK_IMAGES, ENDS_READER
from sightx_cli.data.reader_processes import ReaderEndedError
from sightx_cli.data.readers import AS_IS
from sightx_cli.data.view_reads import HowRead, choose_together, read_items

HOW: HowRead = (16, "squash", None, 1, AS_IS)


@pytest.fixture
def photos(tmp_path: Path, write_photo: Callable[..., Path]) -> list[str]:
    return [str(write_photo(tmp_path / f"{place:02}.png", seed=place)) for place in range(7)]


class Fragile:
    """Readers that end with one image, as a damaged file may make a decoder end."""

    workers = 2

    def __init__(self, ends: str) -> None:
        self.ends, self.calls = ends, list[int]()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        answer: Future[Any] = Future()
        self.calls.append(len(arguments[0]))
        if any(path == self.ends for _, path in arguments[0]):
            answer.set_exception(ReaderEndedError())
        else:
            answer.set_result(function(*arguments))
        return answer


def test_an_image_that_ends_its_reader_is_named_and_the_others_are_read(photos: list[str]) -> None:
    readers = Fragile(photos[3])
    found = list(read_items([(Path(path).name, path) for path in photos], HOW, 12, readers))
    assert readers.calls == [3, 3, 1, 1, 1, 1]  # three calls, and the second one by one
    assert [name for name, _ in found] == [Path(path).name for path in photos]
    assert {name: read.error for name, read in found if read.views is None} == {"03.png": f"03.png: {ENDS_READER}"}


def test_images_in_memory_are_read_here_and_keep_their_turn(photos: list[str]) -> None:
    readers = Fragile("none")
    mixed = [(Path(path).name, path if place % 3 else Path(path).read_bytes()) for place, path in enumerate(photos)]
    found = list(read_items(mixed, HOW, 100, readers))
    assert readers.calls == [2, 2]
    for (name, read), (other, expected) in zip(
        found, read_items([(Path(path).name, path) for path in photos], HOW, 4), strict=True
    ):
        assert name == other
        assert read.views is not None
        assert expected.views is not None
        np.testing.assert_array_equal(read.views, expected.views)


def test_images_that_come_one_by_one_are_read_before_the_last_has_come(photos: list[str]) -> None:
    came = []

    def give() -> Iterator[tuple[str, str]]:
        for path in photos:
            came.append(path)
            yield path, path

    first = next(iter(read_items(give(), HOW, 3)))
    assert first[0] == photos[0]
    assert len(came) == 4


@pytest.mark.parametrize(
    ("ahead", "views", "images"), [(527, 1, CHUNK_IMAGES), (31, 1, 7), (3, 1, 1), (527, 4, 4), (527, 64, 1)]
)
def test_a_call_has_few_images_where_few_are_read_ahead_or_each_has_many_views(
    ahead: int, views: int, images: int
) -> None:
    assert choose_together(ahead, Fragile("none"), views) == images
    assert choose_together(ahead, None, views) == 1
