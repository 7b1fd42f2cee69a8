"""The resize inside the ONNX graph is Pillow's, for any size of image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli.bundle.exporters.onnx_resize import build_resize
from sightx_cli.data.geometry import FITS, fit_image

SIZES = [
    *((1, 1), (2, 1), (1, 500), (4000, 3), (40, 30), (30, 41)),
    *((64, 64), (65, 64), (127, 128), (300, 200), (513, 511), (37, 1000), (1200, 901)),
]
"""Width and height: single pixels, slivers, smaller than the view, equal to it, one more, several times as large."""


def draw(size: tuple[int, int]) -> Image.Image:
    few = np.random.default_rng(0).integers(0, 256, (size[1] // 3 + 1, size[0] // 3 + 1, 3), dtype=np.uint8)
    return Image.fromarray(few).resize(size)


def open_resize(fit: str) -> Callable[[Any], Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(build_resize(64, fit).SerializeToString())
    return lambda image: session.run(None, {"image": image})[0]


@pytest.mark.parametrize("fit", FITS)
def test_the_view_is_pillows_to_a_few_levels_of_255_at_any_size(fit: str) -> None:
    resize = open_resize(fit)
    for size in SIZES:
        image = draw(size)
        difference = np.abs(resize(np.array(image))[0].astype(int) - fit_image(image, 64, fit))
        assert difference.max() <= 4, size
        assert difference.mean() <= 0.35, size


@pytest.mark.parametrize("fit", FITS)
def test_where_pillow_averages_no_cells_hardly_a_pixel_differs(fit: str) -> None:
    resize = open_resize(fit)
    for size in [(40, 30), (64, 64), (100, 90)]:
        image = draw(size)
        assert (resize(np.array(image))[0] == fit_image(image, 64, fit)).mean() > 0.999


def test_what_pad_adds_is_black() -> None:
    view = open_resize("pad")(np.full((30, 60, 3), 255, np.uint8))[0]
    assert view[:16].max() == view[48:].max() == 0
    assert view[16:48].min() == 255
