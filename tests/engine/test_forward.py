"""The one interface, whichever engine runs it: uint8 images in, named outputs by key, whatever the order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from sightx_cli.engine.interface import Forward
from sightx_cli.engine.openvino_forward import load_openvino
from sightx_cli.engine.torch_forward import TorchForward

Draw = Callable[..., Any]
BATCH = 4


@pytest.fixture(params=["openvino", "torch"])
def forward(request: pytest.FixtureRequest, small: nn.Module, small_graph: Path, reading: Any) -> Forward:
    if request.param == "torch":
        return TorchForward(small, ["map", "features"], *reading)
    return load_openvino(small_graph, batch=BATCH)


def test_a_forward_takes_uint8_images_and_normalises_them_itself(
    forward: Forward, small: nn.Module, draw_images: Draw, compute_eagerly: Callable[..., list[Any]]
) -> None:
    images = draw_images(BATCH)
    [(key, outputs)] = forward.run([("first", images)])
    assert key == "first"
    assert forward.size_px == images.shape[1]
    for name, expected in zip(("map", "features"), compute_eagerly(small, images), strict=True):
        assert outputs[name].dtype == np.float32
        np.testing.assert_allclose(outputs[name], expected, atol=1e-4)


@pytest.mark.parametrize("count", [1, BATCH - 1, BATCH])
def test_a_short_batch_has_only_its_own_rows(
    forward: Forward, count: int, draw_images: Draw, compute_eagerly: Callable[..., list[Any]], small: nn.Module
) -> None:
    images = draw_images(count)
    [(_, outputs)] = forward.run([(0, images)])
    np.testing.assert_allclose(outputs["features"], compute_eagerly(small, images)[1], atol=1e-4)


def test_what_an_image_gives_does_not_depend_on_its_place_or_its_neighbours(
    forward: Forward, draw_images: Draw
) -> None:
    batches = {key: draw_images(BATCH, seed=key) for key in range(9)}
    forwards = dict(forward.run(batches.items()))
    backwards = dict(forward.run(reversed(batches.items())))
    assert forwards.keys() == backwards.keys() == batches.keys()
    for key, images in batches.items():
        np.testing.assert_array_equal(forwards[key]["features"], backwards[key]["features"])
        [(_, alone)] = forward.run([(key, images[2:3])])
        np.testing.assert_allclose(alone["features"][0], forwards[key]["features"][2], atol=1e-5)


def test_outputs_stay_what_they_were_while_others_are_computed(forward: Forward, draw_images: Draw) -> None:
    images = draw_images(BATCH)
    [(_, first)] = forward.run([(0, images)])
    before = first["map"].copy()
    list(forward.run((key, 255 - images) for key in range(9)))
    np.testing.assert_array_equal(first["map"], before)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "view",
    [
        lambda images: images[..., ::-1],
        lambda images: images[::2],
        lambda images: np.broadcast_to(images[:1], images.shape),
    ],
    ids=["channels reversed", "every second", "read-only"],
)
def test_images_may_be_any_view_of_an_array(
    forward: Forward,
    view: Callable[[Any], Any],
    small: nn.Module,
    draw_images: Draw,
    compute_eagerly: Callable[..., list[Any]],
) -> None:
    images = view(draw_images(BATCH))
    [(_, outputs)] = forward.run([(0, images)])
    np.testing.assert_allclose(outputs["features"], compute_eagerly(small, images.copy())[1], atol=1e-4)


def test_nothing_in_gives_nothing_out(forward: Forward) -> None:
    assert list(forward.run([])) == []


def test_a_forward_can_be_run_again_after_the_reading_failed(forward: Forward, draw_images: Draw) -> None:
    def read() -> Any:
        yield from ((key, draw_images(BATCH)) for key in range(2))
        raise ValueError("image 3 cannot be read")

    with pytest.raises(ValueError, match="image 3"):
        list(forward.run(read()))
    assert len(list(forward.run([(0, draw_images(BATCH))]))) == 1
