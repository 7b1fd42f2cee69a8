"""Views read by processes: the batches that threads read, in memory that is used again when nothing shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sightx_cli.data.contents import digest_file
from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.reader_processes import ReaderPool
from sightx_cli.engine.torch_forward import TorchForward
from sightx_cli.errors import DataError
from sightx_cli.features import extraction
from sightx_cli.features.extraction import extract_features, find_features
from sightx_cli.features.shards import Column
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.view_processes import choose_readers
from sightx_cli.features.views import View, ViewReading, read_batches
from sightx_cli.progress import Silent
from sightx_cli.recipe.profiles import PROFILES

SIZE_PX = 16
PLAIN = View(SIZE_PX, "squash", None, 0, 0)
DRAWN = View(SIZE_PX, "crop", PROFILES["skin"], 1, 7)
COLUMNS = {"features": Column((3,), "float32")}


@pytest.fixture(scope="module")
def pool() -> Iterator[ReaderPool]:
    pool = ReaderPool(2)
    yield pool
    pool.close()


@pytest.fixture
def photos(tmp_path: Path, write_photo: Callable[..., Path]) -> list[str]:
    return [str(write_photo(tmp_path / "photos" / f"{place:02}.png", seed=place)) for place in range(11)]


@pytest.fixture
def items(photos: list[str]) -> list[tuple[str, str]]:
    return [(digest_file(path), path) for path in photos]


@pytest.mark.parametrize("view", [PLAIN, DRAWN], ids=["plain", "drawn"])
def test_they_read_the_batches_that_threads_read(items: list[tuple[str, str]], view: View, pool: ReaderPool) -> None:
    items = items * 3
    apart = list(read_batches(items, view, 5, None, pool, 7))  # held together: no batch may overwrite another
    here = list(read_batches(items, view, 5, None, None, 7))
    assert [first for first, _ in apart][:5] == [0, 5, 7, 12, 14]
    for (first, images), (place, expected) in zip(apart, here, strict=True):
        assert first == place
        assert images.flags.writeable  # torch takes it as it is, without a copy
        assert np.array_equal(images, expected)


def test_what_was_decoded_before_is_not_read_again(items: list[tuple[str, str]], pool: ReaderPool) -> None:
    digest, path = items[0]
    kept = PlainViews(PLAIN.size_px, PLAIN.fit)
    kept.decode(path, digest, Path(path).read_bytes())
    expected = PLAIN.read(path, digest)
    Path(path).unlink()
    [(_, images)] = read_batches(items, PLAIN, len(items), kept, pool)
    assert np.array_equal(images[0], expected)


def test_the_memory_of_a_batch_is_used_again(items: list[tuple[str, str]], pool: ReaderPool) -> None:
    addresses = set()
    for _, images in read_batches(items * 40, PLAIN, 8, None, pool):
        addresses.add(images.__array_interface__["data"][0])
        del images
    assert len(addresses) < 20  # of 55 batches


def test_an_image_that_cannot_be_read_is_named(items: list[tuple[str, str]], pool: ReaderPool) -> None:
    Path(items[4][1]).write_text("no image")
    with pytest.raises(DataError, match=r"04\.png"):
        list(read_batches(items, PLAIN, 4, None, pool))


def test_a_part_that_is_taken_again_is_read_again_and_what_follows_it(
    items: list[tuple[str, str]], pool: ReaderPool
) -> None:
    expected = [PLAIN.read(path, digest) for digest, path in items]
    for readers in (pool, None):
        reading = ViewReading(items, PLAIN, 2, 4, None, readers)
        for start, stop in ((0, 9), (4, 1), (4, 9), (8, 9)):  # the second is given up after a batch
            for number, (first, images) in enumerate(reading.take(start)):
                assert np.array_equal(images, expected[start + first : start + first + len(images)])
                if number + 1 == stop:
                    break
        reading.close()


class Mean(nn.Module):
    """Gives the mean of each colour, (N, 3)."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3))


def test_features_are_the_same_and_survive_a_disk_that_fails_midway(
    items: list[tuple[str, str]], tmp_path: Path, pool: ReaderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "DEVICE_SHARD_IMAGES", 4)
    digests, paths = [digest for digest, _ in items], [path for _, path in items]
    store, failures = FeatureStore(tmp_path / "store"), iter([False, True] + [False] * 9)

    def keep(prefix, view, digests, columns, what, fill):
        if next(failures):
            fill(Failing())
        return store.aside.keep(prefix, view, digests, columns, fill)

    class Failing:
        """A disk that takes nothing, which the store turns from."""

        def put(self, start: int, outputs: object) -> None:
            """Take nothing."""

    monkeypatch.setattr(store, "keep", keep)
    lookup = find_features(store, ["p"], PLAIN, paths, digests, COLUMNS)
    forward = TorchForward(Mean(), list(COLUMNS), SIZE_PX, (0.0,) * 3, (1 / 255,) * 3)
    found = extract_features(store, "p", PLAIN, lookup, lambda: forward, Silent(), "task", "what", None, pool)
    expected = [PLAIN.read(path, digest).mean((0, 1)) for digest, path in items]
    np.testing.assert_allclose(found.take(), expected, rtol=1e-5)


def test_a_forward_on_the_processor_is_read_for_in_threads() -> None:
    forward = TorchForward(Mean(), list(COLUMNS), SIZE_PX, (0.0,) * 3, (1.0,) * 3)
    assert choose_readers(forward, 10**6) is None
