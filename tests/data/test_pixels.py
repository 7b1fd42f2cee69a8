"""Decoded images in memory: the same pixels, within a budget."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli.data.augmentation import read_view
from sightx_cli.data.pixels import DecodedImages, PlainViews, shrink
from sightx_cli.data.readers import ImageFileError, read_image


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def test_a_kept_image_needs_no_file_any_more(photo: Path) -> None:
    images = DecodedImages(budget_bytes=10**7)
    first = np.asarray(images.read(photo, min_side_px=250))
    photo.unlink()
    assert np.array_equal(np.asarray(images.read(photo, min_side_px=250)), first)


def test_an_image_beyond_the_budget_is_decoded_each_time(photo: Path) -> None:
    images = DecodedImages(budget_bytes=1000)
    assert np.array_equal(np.asarray(images.read(photo)), np.asarray(read_image(photo)))
    assert len(images) == 0
    photo.unlink()
    with pytest.raises(ImageFileError):
        images.read(photo)


def test_what_is_kept_has_at_least_the_sides_asked_for_and_less_than_twice() -> None:
    image = Image.new("RGB", (1000, 700))
    assert shrink(image, 224, None).size == (334, 234)
    assert shrink(image, None, 224).size == (250, 175)
    assert shrink(image, 699, None).size == (1000, 700)
    assert shrink(image, None, None).size == (1000, 700)


@pytest.mark.parametrize("budget_bytes", [10**6, 100])
def test_a_plain_view_has_the_pixels_that_a_prediction_reads(photo: Path, budget_bytes: int) -> None:
    expected = read_view(photo, 96, "crop", None, 0)
    views = PlainViews(96, "crop", budget_bytes=budget_bytes)
    for _ in range(2):
        assert np.array_equal(views.read(str(photo), "digest"), expected)
