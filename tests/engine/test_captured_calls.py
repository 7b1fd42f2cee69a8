"""Calls captured within a run: those on whole batches, once there were some, if they give what they gave before."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from sightx_cli.engine.captured_calls import CAPTURED_AFTER, Captured, RunCalls

WHOLE = 4


class Network:
    """Counts its calls; captured, it gives `factor` times what it gives."""

    def __init__(self, factor: float = 1.0, can_be_captured: bool = True) -> None:
        self.factor, self.can_be_captured = factor, can_be_captured
        self.called, self.replayed = list[int](), 0

    def call(self, images: Tensor) -> Sequence[Tensor]:
        self.called.append(len(images))
        return [2 * images, images.sum((1, 2, 3))]

    def capture(self, images: Tensor) -> Captured | None:
        assert len(images) == WHOLE

        def replay(images: Tensor) -> Sequence[Tensor]:
            self.replayed += 1
            return [self.factor * 2 * images, images.sum((1, 2, 3))]

        return replay if self.can_be_captured else None


def run(network: Network, sizes: Sequence[int]) -> None:
    calls = RunCalls(network.call, WHOLE, network.capture)
    for size in sizes:
        images = torch.rand(size, 2, 2, 3)
        doubled, summed = calls.make(images)
        torch.testing.assert_close(doubled, 2 * images)
        torch.testing.assert_close(summed, images.sum((1, 2, 3)))


def test_whole_batches_are_captured_once_there_were_some() -> None:
    network = Network()
    run(network, [3, *[WHOLE] * CAPTURED_AFTER, 1, WHOLE, WHOLE, 2, WHOLE])
    assert network.called == [3, *[WHOLE] * CAPTURED_AFTER, 1, WHOLE, 2]  # of the last whole ones, the first to compare
    assert network.replayed == 3


@pytest.mark.parametrize("network", [Network(factor=1.001), Network(can_be_captured=False)], ids=["differs", "cannot"])
def test_what_differs_or_cannot_be_captured_is_called_as_before(network: Network) -> None:
    run(network, [WHOLE] * (CAPTURED_AFTER + 4))
    assert len(network.called) == CAPTURED_AFTER + 4


def test_a_run_of_few_batches_captures_nothing() -> None:
    network = Network()
    run(network, [WHOLE] * CAPTURED_AFTER)
    assert network.replayed == 0
