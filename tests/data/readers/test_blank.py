"""Images of one colour are told from those with something to see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli.data.readers import check_image, decode_image
from sightx_cli.data.readers.blank import is_blank


def dark(noise: float = 1.0) -> np.ndarray:
    return np.random.default_rng(0).normal(20, noise, (300, 200)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA"])
def test_one_colour_is_blank_in_every_mode(mode: str) -> None:
    assert is_blank(Image.new(mode, (70, 40)))


def test_noise_and_a_hot_pixel_leave_it_blank() -> None:
    pixels = dark()
    pixels[150, 100] = 255
    assert is_blank(Image.fromarray(pixels))


def test_a_mark_or_a_picture_is_something_to_see() -> None:
    pixels = dark()
    pixels[100:112, 60:72] = 90  # a 400th of the image
    assert not is_blank(Image.fromarray(pixels))
    assert not is_blank(Image.fromarray(dark(20)))
    assert not is_blank(Image.linear_gradient("L"))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.gif"])
def test_reading_and_checking_find_it_alike(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    Image.new("RGB", (90, 60), (10, 20, 30)).save(path)
    assert decode_image(path).found.blank
    assert check_image(path).blank
    Image.linear_gradient("L").save(path)
    assert not decode_image(path).found.blank
    assert not check_image(path).blank
