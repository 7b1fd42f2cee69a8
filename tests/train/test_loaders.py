"""What a learner is fed: cached features with their views in turn, or freshly read images, each with its own target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sightx_cli.data.contents import digest_file
from sightx_cli.errors import DataError
from sightx_cli.features.extraction import Features
from sightx_cli.features.shards import Column, Shard
from sightx_cli.features.views import View, plain_view, read_batches
from sightx_cli.recipe.profiles import PROFILES
from sightx_cli.train.loaders import CachedLoader, NormalisePixels, Sample, build_cached_loaders, build_image_loaders
from sightx_cli.train.resident_features import ResidentFeatures, settle_on_device

CPU = torch.device("cpu")
COUNT = 10


def keep(view: int, offset: int = 0) -> Features:
    """Outputs that say which image and which view they are, in two shards, stored in reverse order."""
    rows = np.array([[offset + place, view] for place in range(COUNT)], dtype=np.float16)[::-1]
    shards = tuple(Shard((), {"features": part}) for part in (rows[:4], rows[4:]))
    places, columns = np.arange(COUNT)[::-1], {"features": Column((2,))}
    return Features(columns, shards, np.int32(places >= 4), np.where(places >= 4, places - 4, places).astype(np.int32))


def read_pass(loader: CachedLoader) -> list[tuple[int, int, int]]:
    """Each row of one pass: image, view, target."""
    batches = [(features, targets) for features, targets in loader]
    return [
        (int(f[0]), int(f[1]), int(t)) for features, targets in batches for f, t in zip(features, targets, strict=True)
    ]


@pytest.mark.parametrize("views", [1, 2, 3])
def test_each_epoch_reads_every_image_once_and_its_views_in_turn(views: int) -> None:
    targets = np.arange(COUNT) * 7
    loader = CachedLoader([keep(view) for view in range(views)], ["features"], targets, 4, True, CPU)
    for epoch in range(4):
        rows = sorted(read_pass(loader))
        assert rows == [(image, (image + epoch) % views, 7 * image) for image in range(COUNT)]


def test_the_order_is_shuffled_for_training_and_kept_for_validation() -> None:
    torch.manual_seed(0)
    targets = np.arange(COUNT)
    loaders = build_cached_loaders(([keep(0)], targets), (keep(0, 100), targets), ["features"], 4, CPU)
    first, second = read_pass(loaders.train), read_pass(loaders.train)
    assert first != second
    assert sorted(first) == sorted(second)
    assert [image for image, _, _ in read_pass(loaders.valid)] == list(range(100, 100 + COUNT))


def test_the_last_batch_may_be_short() -> None:
    loader = CachedLoader([keep(0)], ["features"], np.arange(COUNT), 4, False, CPU)
    assert [len(targets) for _, targets in loader] == [4, 4, 2]
    assert len(loader) == 3


def test_cached_features_arrive_in_full_precision() -> None:
    features, targets = next(iter(CachedLoader([keep(0)], ["features"], np.arange(COUNT), 4, False, CPU)))
    assert (features.dtype, targets.dtype) == (torch.float32, torch.int64)


def test_features_that_stay_on_the_device_are_those_that_are_read() -> None:
    loader = CachedLoader([keep(view) for view in range(3)], ["features"], np.arange(COUNT), 4, False, CPU)
    rows = np.array([7, 0, 3, 7])
    read = [loader.gather(rows, epoch)[0] for epoch in range(3)]
    loader.resident = ResidentFeatures(loader.views, loader.names, CPU)
    assert all(torch.equal(loader.gather(rows, epoch)[0], read[epoch]) for epoch in range(3))


def test_features_stay_on_the_device_where_they_take_at_most_half_of_what_is_free() -> None:
    views, needed = [keep(0), keep(1)], 2 * COUNT * 2 * 2  # views, images, outputs, bytes of a float16
    assert settle_on_device(views, ["features"], CPU, 2 * needed) is not None
    assert settle_on_device(views, ["features"], CPU, 2 * needed - 1) is None
    assert settle_on_device(views, ["features"], CPU) is None  # the CPU has them


@pytest.fixture
def coloured(tmp_path: Path) -> Sample:
    """Twelve images; how dark each is says its class."""
    generator = np.random.default_rng(0)
    paths = []
    for place in range(12):
        pixels = generator.integers(0, 60, (20, 24, 3)) + 90 * (place % 3)
        paths.append(str(tmp_path / f"{place}.png"))
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1])
    return Sample(paths, [digest_file(path) for path in paths], np.arange(12) % 3)


def open_loaders(sample: Sample, profile: str = "natural", seed: int = 0):
    view = View(16, "squash", PROFILES[profile], 1, seed)
    normalisation = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    return build_image_loaders(sample, sample, view, normalisation, 5, CPU)


def read_images(loader: object) -> tuple[torch.Tensor, torch.Tensor]:
    images, targets = zip(*loader, strict=True)
    return torch.cat(images), torch.cat(targets)


def test_every_image_comes_with_its_own_class(coloured: Sample) -> None:
    loaders = open_loaders(coloured)
    for loader in (loaders.train, loaders.valid):
        images, targets = read_images(loader)
        assert sorted(targets.tolist()) == [0] * 4 + [1] * 4 + [2] * 4
        brightness = images.mean((1, 2, 3)) * 255
        assert torch.equal((brightness / 90).floor().long().clamp(max=2), targets)


def test_images_are_augmented_afresh_each_epoch_and_never_for_validation(coloured: Sample) -> None:
    loaders = open_loaders(coloured)
    first, second = (sorted(read_images(loaders.train)[0].sum((1, 2, 3)).tolist()) for _ in range(2))
    assert first != second
    plain = [read_images(loaders.valid)[0] for _ in range(2)]
    assert torch.equal(*plain)
    expected = View(16, "squash", None, 0, 0).read(coloured.paths[0], coloured.digests[0])
    np.testing.assert_allclose(plain[0][0].numpy(), expected.transpose(2, 0, 1) / 255, atol=1e-6)


@pytest.mark.parametrize(("seeds", "same"), [((0, 0), True), ((0, 1), False)])
def test_the_seed_decides_the_augmentation(coloured: Sample, seeds: tuple[int, int], same: bool) -> None:
    sums = [sorted(read_images(open_loaders(coloured, seed=seed).train)[0].sum((1, 2, 3)).tolist()) for seed in seeds]
    assert (sums[0] == sums[1]) is same


def test_without_a_profile_training_reads_the_plain_view(coloured: Sample) -> None:
    loaders = open_loaders(coloured, "none")
    assert {round(float(x), 4) for x in read_images(loaders.train)[0].mean((1, 2, 3))} == {
        round(float(x), 4) for x in read_images(loaders.valid)[0].mean((1, 2, 3))
    }


def test_pixels_are_normalised_by_the_weights_own_mean_and_deviation() -> None:
    pixels = torch.full((2, 4, 4, 3), 51, dtype=torch.uint8)
    images = NormalisePixels((0.1, 0.2, 0.3), (0.5, 0.25, 0.1))(pixels)
    assert images.shape == (2, 3, 4, 4)
    torch.testing.assert_close(images[0, :, 0, 0], torch.tensor([0.2, 0.0, -1.0]))


def test_a_file_that_vanishes_is_named(coloured: Sample) -> None:
    Path(coloured.paths[3]).unlink()
    with pytest.raises(DataError, match=r"3\.png: cannot be read"):
        read_images(open_loaders(coloured).valid)


@pytest.mark.parametrize(("fit", "size"), [("crop", (1600, 1203)), ("pad", (1203, 1600)), ("squash", (1601, 900))])
def test_valid_images_have_the_pixels_that_a_prediction_reads_of_large_photographs_too(
    tmp_path: Path, fit: str, size: tuple[int, int]
) -> None:
    generator, paths = np.random.default_rng(0), []
    for place in range(2):
        small = Image.fromarray(generator.integers(0, 256, (90, 120, 3), dtype=np.uint8))
        paths.append(str(tmp_path / f"{place}.jpg"))
        small.resize(size, Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    sample = Sample(paths, [digest_file(path) for path in paths], np.arange(2))
    view = View(64, fit, PROFILES["natural"], 1, 0)
    loaders = build_image_loaders(sample, sample, view, ((0.0,) * 3, (1.0,) * 3), 2, CPU)
    items = list(zip(sample.digests, sample.paths, strict=True))
    predicted = np.concatenate([pixels for _, pixels in read_batches(items, plain_view(view), 2)])
    for _ in range(2):  # the second epoch reads from memory
        given, _ = read_images(loaders.valid)
        assert np.array_equal((given * 255).round().byte().permute(0, 2, 3, 1).numpy(), predicted)
