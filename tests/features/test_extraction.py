"""Features are computed once per image and view, cached, and read back row by row."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sightx_cli.data.contents import digest_file
from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.readers import ImageFileError
from sightx_cli.engine.interface import BATCH_IMAGES
from sightx_cli.engine.torch_forward import TorchForward
from sightx_cli.features import extraction
from sightx_cli.features.extraction import Features, extract_features, find_features
from sightx_cli.features.shards import Column, Columns
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.views import View, plain_view, read_batches
from sightx_cli.progress import Silent
from sightx_cli.recipe.profiles import PROFILES

SIZE_PX = 16
PLAIN = View(SIZE_PX, "squash", None, 0, 0)
DRAWN = View(SIZE_PX, "squash", PROFILES["skin"], 1, 7)
COLUMNS = {"map": Column((4, 8, 8)), "features": Column((4,))}

ROW_BYTES = 2 * (4 * 8 * 8 + 4)


def digest_files(paths: list[str]) -> list[str]:
    return [digest_file(path) for path in paths]


class Small(nn.Module):
    """Gives a map (N, 4, 8, 8) and features (N, 4)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 4, 3, 2, 1)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.convolution(images)
        return features, features.mean((2, 3))


class Counted(TorchForward):
    """The small network compiled, which remembers how many images it was given."""

    def __init__(self) -> None:
        super().__init__(Small(), list(COLUMNS), SIZE_PX, (0.5,) * 3, (0.5,) * 3)
        self.images = 0

    def run(self, batches: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        for key, result in super().run(batches):
            self.images += len(result["features"])
            yield key, result


class Bench:
    """A store, the small network, and what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.store, self.computed, self.started = FeatureStore(folder), 0, 0

    def keep(
        self, paths: list[str], view: View = PLAIN, digests: list[str] | None = None, columns: Columns = COLUMNS
    ) -> Features:
        built: list[Counted] = []

        def build() -> Counted:
            built.append(Counted())
            return built[0]

        digests = digests or digest_files(paths)
        lookup = find_features(self.store, ["p"], view, paths, digests, columns)
        self.store.reserve(lookup.needed_bytes, lookup.found_bytes)
        kept = extract_features(self.store, "p", view, lookup, build, Silent(), "task", "what")
        self.computed, self.started = sum(one.images for one in built), len(built)
        return kept


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path / "store")


@pytest.fixture
def photos(tmp_path: Path, write_photo: Callable[..., Path]) -> list[str]:
    """Twenty-one photographs: a full batch and a short one."""
    return [str(write_photo(tmp_path / "photos" / f"{place:02}.png", seed=place)) for place in range(21)]


def compute(paths: list[str], view: View) -> dict[str, Any]:
    pixels = np.stack([view.read(path, digest) for path, digest in zip(paths, digest_files(paths), strict=True)])
    [(_, result)] = Counted().run([(0, pixels)])
    return result


@pytest.mark.parametrize("view", [PLAIN, DRAWN], ids=["plain", "augmented"])
def test_a_cached_row_is_what_the_network_gives_of_that_image(view: View, bench: Bench, photos: list[str]) -> None:
    kept, expected = bench.keep(photos, view), compute(photos, view)
    positions = np.array([20, 0, 7, 7, 16])
    for name, (shape, _) in COLUMNS.items():
        rows = kept.take(name, positions)
        assert rows.shape == (5, *shape)
        assert rows.dtype == np.float16
        np.testing.assert_allclose(rows, expected[name][positions], atol=2e-3)
    assert len(kept) == 21
    assert expected["features"].std(0).min() > 0.01  # the images differ


def test_rows_come_from_whatever_shard_they_lie_in(
    bench: Bench, photos: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "SHARD_IMAGES", 5)
    kept = bench.keep(photos)
    assert len(kept.shards) == 5
    positions = np.random.default_rng(0).permutation(21)
    np.testing.assert_allclose(kept.take("map", positions), compute(photos, PLAIN)["map"][positions], atol=2e-3)
    kept.release()
    np.testing.assert_allclose(kept.take("map", positions), compute(photos, PLAIN)["map"][positions], atol=2e-3)


def test_only_what_is_missing_is_computed(bench: Bench, photos: list[str]) -> None:
    bench.keep(photos[:8])
    assert (bench.computed, bench.started) == (8, 1)
    kept = bench.keep(photos)
    assert bench.computed == 13
    bench.keep(list(reversed(photos)))
    assert (bench.computed, bench.started) == (0, 0)  # the network is not even compiled
    np.testing.assert_allclose(kept.take("map", np.arange(21)), compute(photos, PLAIN)["map"], atol=2e-3)


def test_an_image_is_its_bytes_wherever_it_lies(bench: Bench, photos: list[str], tmp_path: Path) -> None:
    before = bench.keep(photos).take("features", np.arange(21))
    shutil.copytree(tmp_path / "photos", tmp_path / "moved")
    after = bench.keep([path.replace("photos", "moved") for path in photos]).take("features", np.arange(21))
    assert bench.computed == 0
    np.testing.assert_array_equal(before, after)


def test_an_image_that_changed_is_another_image(
    bench: Bench, photos: list[str], write_photo: Callable[..., Path]
) -> None:
    before = bench.keep(photos).take("features", np.arange(21))
    write_photo(Path(photos[3]), seed=99)
    after = bench.keep(photos).take("features", np.arange(21))
    assert bench.computed == 1
    assert [place for place in range(21) if (before[place] != after[place]).any()] == [3]


def test_the_same_image_twice_in_a_list_is_computed_once_and_has_two_rows(
    bench: Bench, photos: list[str], tmp_path: Path
) -> None:
    twin = shutil.copy(photos[0], tmp_path / "twin.png")
    kept = bench.keep([photos[0], photos[1], str(twin), photos[0]])
    assert bench.computed == 2
    rows = kept.take("features", np.arange(4))
    np.testing.assert_array_equal(rows[[2, 3]], rows[[0, 0]])
    assert (rows[0] != rows[1]).any()


@pytest.mark.parametrize(
    "change", [{"size_px": 32}, {"fit": "pad"}, {"number": 2}, {"seed": 8}, {"profile": PROFILES["natural"]}]
)
def test_another_view_is_computed(change: dict[str, Any]) -> None:
    assert replace(DRAWN, **change).key != DRAWN.key


def test_the_plain_view_is_one_for_all_profiles_and_seeds() -> None:
    assert plain_view(DRAWN) == PLAIN
    assert View(SIZE_PX, "squash", None, 3, 9).key == PLAIN.key != DRAWN.key


def test_a_view_draws_the_same_for_an_image_whatever_else_is_read(photos: list[str]) -> None:
    items = [(digest, path) for digest, path in zip(digest_files(photos), photos, strict=True)]
    together = np.concatenate([pixels for _, pixels in read_batches(items, DRAWN, 16)])
    alone = np.concatenate([pixels for item in reversed(items) for _, pixels in read_batches([item], DRAWN, 16)])[::-1]
    np.testing.assert_array_equal(together, alone)


def test_views_and_images_are_drawn_apart(photos: list[str], tmp_path: Path) -> None:
    views = [replace(DRAWN, number=number, seed=seed) for number in (1, 2, 3) for seed in (0, 1)]
    pictures = {view.read(photos[0], digest).tobytes() for view in views for digest in digest_files(photos[:2])}
    assert len(pictures) == 12


def test_images_are_read_in_order_a_batch_at_a_time(photos: list[str]) -> None:
    items = [(digest, path) for digest, path in zip(digest_files(photos), photos, strict=True)]
    batches = list(read_batches(items, PLAIN, BATCH_IMAGES))
    starts = range(0, len(photos), BATCH_IMAGES)
    assert [(first, len(pixels)) for first, pixels in batches] == [
        (start, min(BATCH_IMAGES, len(photos) - start)) for start in starts
    ]
    expected = np.stack([PLAIN.read(path, digest) for digest, path in items])
    np.testing.assert_array_equal(np.concatenate([pixels for _, pixels in batches]), expected)


def test_an_image_that_cannot_be_read_stops_the_computing_and_keeps_nothing_half(
    bench: Bench, photos: list[str]
) -> None:
    digests = digest_files(photos)
    Path(photos[18]).write_text("no image")
    with pytest.raises(ImageFileError):
        bench.keep(photos, digests=digests)
    assert [path for path in bench.store.folder.rglob("*") if path.is_file()] == []


def test_a_damaged_shard_is_computed_again(bench: Bench, photos: list[str]) -> None:
    before = bench.keep(photos).take("map", np.arange(21))
    [file] = bench.store.folder.rglob("map.bin")
    flipped = bytearray(file.read_bytes())
    flipped[100] ^= 1
    file.write_bytes(flipped)
    after = bench.keep(photos).take("map", np.arange(21))
    assert bench.computed == 21
    assert len(bench.store.warnings) == 1
    np.testing.assert_array_equal(before, after)


def test_features_that_the_budget_cannot_hold_are_held_in_memory(bench: Bench, photos: list[str]) -> None:
    expected = bench.keep(photos).take("map")
    bench.store.clear()
    bench.store = FeatureStore(bench.store.folder, budget_bytes=21 * ROW_BYTES // 2)
    np.testing.assert_array_equal(bench.keep(photos).take("map"), expected)
    assert bench.store.is_short
    assert [path for path in bench.store.folder.rglob("*") if path.is_file()] == []
    bench.keep(photos)
    assert bench.computed == 0  # found in memory


def test_a_second_fit_has_room_in_a_store_whose_budget_just_holds_the_first(bench: Bench, photos: list[str]) -> None:
    bench.keep(photos)
    bench.store = FeatureStore(bench.store.folder, sum(entry.bytes_on_disk for entry in bench.store.list_entries()))
    before = sorted(bench.store.folder.rglob("*"))
    bench.keep(photos)
    assert (bench.computed, bench.store.is_short) == (0, False)
    assert sorted(bench.store.folder.rglob("*")) == before


def test_only_what_is_lacking_needs_room(bench: Bench, photos: list[str]) -> None:
    bench.keep(photos[:20])
    lookup = find_features(bench.store, ["p"], PLAIN, photos, digest_files(photos), COLUMNS)
    assert (lookup.needed_bytes, lookup.found_bytes) == (ROW_BYTES, 20 * ROW_BYTES)


def test_held_out_features_are_cached_exactly_and_serve_what_asks_for_less(bench: Bench, photos: list[str]) -> None:
    exact = {name: column._replace(dtype="float32") for name, column in COLUMNS.items()}
    half = bench.keep(photos[:5])
    whole = bench.keep(photos, columns=exact)
    assert bench.computed == 21  # rounded ones do not serve
    expected = compute(photos, PLAIN)
    for name in COLUMNS:
        assert whole.take(name).dtype == np.float32
        np.testing.assert_allclose(whole.take(name), expected[name], atol=1e-6)
    narrowed = bench.keep(photos)
    assert bench.computed == 0
    assert narrowed.take("map").dtype == np.float16
    np.testing.assert_array_equal(narrowed.take("map")[:5], half.take("map"))


def test_pixels_decoded_before_are_not_decoded_again_and_give_the_same(bench: Bench, photos: list[str]) -> None:
    expected = bench.keep(photos).take("map")
    pixels = PlainViews(SIZE_PX, "squash")
    for path, digest in zip(photos, digest_files(photos), strict=True):
        assert pixels.decode(path, digest, Path(path).read_bytes())
    items = list(zip(digest_files(photos), ["gone.png"] * 21, strict=True))
    batches = [images for _, images in read_batches(items, PLAIN, 21, pixels)]
    [(_, result)] = Counted().run([(0, batches[0])])
    np.testing.assert_array_equal(result["map"].astype(np.float16), expected)
    assert len(pixels) == 0


@pytest.mark.parametrize("other", [DRAWN, replace(PLAIN, size_px=32), replace(PLAIN, fit="pad")])
def test_pixels_of_one_view_are_no_other_views(other: View, photos: list[str]) -> None:
    pixels = PlainViews(SIZE_PX, "squash")
    [digest] = digest_files(photos[:1])
    pixels.decode(photos[0], digest, None)
    [(_, images)] = read_batches([(digest, photos[0])], other, 1, pixels)
    np.testing.assert_array_equal(images[0], other.read(photos[0], digest))


@pytest.mark.parametrize("images", [1, 21])
def test_the_estimate_is_what_the_arrays_take(images: int, bench: Bench, photos: list[str]) -> None:
    bench.keep(photos[:images])
    assert sum(path.stat().st_size for path in bench.store.folder.rglob("*.bin")) == images * ROW_BYTES
