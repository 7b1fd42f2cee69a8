"""The forward by torch: in parts where memory is short, the next batch on its way before the last is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightx_cli.engine.interface import choose_device_batch
from sightx_cli.engine.torch_forward import AHEAD_BATCHES, TorchForward, using_few_threads

Draw = Callable[..., Any]
GIGABYTE = 10**9


class Narrow(nn.Module):
    """A network whose device has room for so many images at once."""

    def __init__(self, network: nn.Module, room: int) -> None:
        super().__init__()
        self.network, self.room, self.tried = network, room, list[int]()

    def forward(self, images: Tensor) -> Any:
        self.tried.append(len(images))
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.network(images)


@pytest.mark.parametrize("room", [1, 3, 7])
def test_a_batch_that_the_memory_does_not_hold_goes_through_in_parts(
    room: int, small: nn.Module, reading: Any, draw_images: Draw
) -> None:
    names, images = ["map", "features"], draw_images(7)
    narrow = Narrow(small, room)
    forward = TorchForward(narrow, names, *reading)
    found = dict(forward.run((key, images) for key in range(2)))
    [(_, whole)] = TorchForward(small, names, *reading).run([(0, images)])
    for name in names:
        for outputs in found.values():
            np.testing.assert_allclose(outputs[name], whole[name], atol=1e-5)
    assert narrow.tried.count(7) == (2 if room == 7 else 1)  # what did not fit is not tried again


def test_one_image_that_the_memory_does_not_hold_is_an_error(small: nn.Module, reading: Any, draw_images: Draw) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        list(TorchForward(Narrow(small, 0), ["map", "features"], *reading).run([(0, draw_images(2))]))


def test_the_next_batch_is_on_its_way_before_the_last_is_fetched(
    small: nn.Module, reading: Any, draw_images: Draw
) -> None:
    asked = []

    def ask() -> Iterator[tuple[int, Any]]:
        for key in range(5):
            asked.append(key)
            yield key, draw_images(2, seed=key)

    run = TorchForward(small, ["map", "features"], *reading).run(ask())
    assert [(key, len(asked)) for key, _ in run] == [(key, min(5, key + 1 + AHEAD_BATCHES)) for key in range(5)]


def test_images_may_be_changed_as_soon_as_the_next_are_asked_for(
    small: nn.Module, reading: Any, draw_images: Draw
) -> None:
    given = [draw_images(2, seed=key) for key in range(4)]
    place = np.empty_like(given[0])

    def fill() -> Iterator[tuple[int, Any]]:
        for key, images in enumerate(given):
            place[:] = images
            yield key, place

    names = ["map", "features"]
    shared = dict(TorchForward(small, names, *reading).run(fill()))
    own = dict(TorchForward(small, names, *reading).run(enumerate(given)))
    for key, outputs in own.items():
        np.testing.assert_array_equal(shared[key]["features"], outputs["features"])


@pytest.mark.parametrize(
    ("size_px", "free_bytes", "images"),
    [(224, None, 32), (224, 80 * GIGABYTE, 256), (448, 80 * GIGABYTE, 64), (224, 4 * GIGABYTE, 64), (224, 0, 1)],
)
def test_a_gpu_takes_as_many_images_as_its_memory_holds(size_px: int, free_bytes: int | None, images: int) -> None:
    assert choose_device_batch(size_px, free_bytes) == images


@pytest.mark.parametrize(("size_px", "threads"), [(100, 1), (10_000, 3)], ids=["little work", "much work"])
def test_a_pass_that_is_little_work_has_one_thread_and_what_comes_after_it_as_many_as_before(
    size_px: int, threads: int
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        with using_few_threads(nn.Linear(200, 100), size_px):
            assert torch.get_num_threads() == threads
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
