"""A grey file is worked on as one channel: every view equals, to the byte, that of the same picture saved as RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli.data.geometry import FITS
from sightx_cli.data.readers import decode_image, read_image
from sightx_cli.features.views import View
from sightx_cli.recipe.profiles import PROFILES

DIGEST = "0123456789abcdef" * 2


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """One picture of 90 × 61, as a grey file and as one of three channels."""
    levels = np.random.default_rng(0).integers(0, 256, (61, 90), dtype=np.uint8)
    paths = str(tmp_path / "grey.png"), str(tmp_path / "colour.png")
    Image.fromarray(levels).save(paths[0])
    Image.fromarray(levels).convert("RGB").save(paths[1])
    return paths


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size_px", [16, 64, 100])
@pytest.mark.parametrize("profile", [None, *PROFILES])
def test_a_grey_view_equals_that_of_the_picture_in_colour(
    pair: tuple[str, str], fit: str, size_px: int, profile: str | None
) -> None:
    for number in range(0 if profile is None else 1, 1 if profile is None else 5):
        view = View(size_px, fit, None if profile is None else PROFILES[profile], number, seed=3)
        grey, colour = (view.read(path, DIGEST) for path in pair)
        assert grey.shape == (size_px, size_px, 3)
        assert np.array_equal(grey, colour)


def test_whoever_asks_for_rgb_gets_rgb(pair: tuple[str, str]) -> None:
    assert decode_image(pair[0]).image.mode == "L"
    assert np.array_equal(np.asarray(read_image(pair[0])), np.asarray(read_image(pair[1])))
