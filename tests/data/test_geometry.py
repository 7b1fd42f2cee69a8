"""What is said of the network's square comes back to the image's own geometry."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sightx_cli.data.geometry import fit_image, place_square

SIZES = [(300, 200), (200, 300), (240, 240), (1000, 60)]


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("size", SIZES)
def test_what_lies_at_a_place_of_the_square_comes_back_to_that_place_of_the_image(
    size: tuple[int, int], fit: str
) -> None:
    width, height = size
    x, y, mark = width // 2 - min(size) // 5, height // 2 + min(size) // 6, max(min(size) // 10, 6)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y - mark // 2 : y + mark // 2, x - mark // 2 : x + mark // 2] = 255
    square = fit_image(Image.fromarray(pixels), 96, fit).mean(-1).astype(np.float32)
    placed = place_square(square, size, fit)
    assert placed.shape == (height, width)
    rows, columns = np.indices(placed.shape)
    weights = np.nan_to_num(placed) / np.nansum(placed)
    step = max(size) / 96  # pixels of the image in one of the square
    assert float((weights * columns).sum()) == pytest.approx(x, abs=step)
    assert float((weights * rows).sum()) == pytest.approx(y, abs=step)


def test_the_rim_that_a_crop_cuts_off_has_no_value_and_nothing_else_lacks_one() -> None:
    square = np.ones((64, 64), np.float32)
    placed = place_square(square, (320, 160), "crop")
    seen = ~np.isnan(placed)
    assert np.isnan(placed[:, :90]).all()
    assert seen.sum() == 140 * 140
    assert not np.isnan(place_square(square, (320, 160), "pad")).any()
    assert not np.isnan(place_square(square, (320, 160), "squash")).any()


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("size", [(1, 1), (4000, 3), (3, 4000)])
def test_images_of_any_shape_have_their_map(size: tuple[int, int], fit: str) -> None:
    placed = place_square(np.ones((32, 32), np.float32), size, fit)
    assert placed.shape == size[::-1]
    assert np.nanmax(placed) == pytest.approx(1)
