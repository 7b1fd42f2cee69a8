"""Calls captured within a run: those on whole batches, once there were some, if they give what they gave before."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from torch import Tensor

from sightx_cli.engine.captured_calls import CAPTURED_AFTER, Captured, RunCalls, capture_call

WHOLE = 4
STREAM = cast("torch.cuda.Stream", None)


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
    assert network.called == [3, *[WHOLE] * CAPTURED_AFTER]
    assert network.replayed == 6  # the first to compare it


class Short(Network):
    """Captured, it needs more memory than there is."""

    def capture(self, images: Tensor) -> Captured | None:
        raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize(
    "network", [Network(factor=1.001), Network(can_be_captured=False), Short()], ids=["differs", "cannot", "short"]
)
def test_what_differs_or_cannot_be_captured_is_called_as_before(network: Network) -> None:
    run(network, [WHOLE] * (CAPTURED_AFTER + 4))
    assert len(network.called) == CAPTURED_AFTER + 4


def test_a_run_of_few_batches_captures_nothing() -> None:
    network = Network()
    run(network, [*[WHOLE] * (CAPTURED_AFTER - 1), 1])
    assert network.replayed == 0


class Graph(AbstractContextManager[None]):
    """Records nothing; what is computed meanwhile is computed."""

    def __init__(self, graph: object, **_: object) -> None:
        self.graph = graph

    def __exit__(self, *_: object) -> None:
        """Leave it empty."""


def stand_in_for_cuda(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Let a capture run without a GPU; returns the streams that are set meanwhile."""
    used: list[object] = []
    for name, stand_in in {
        "current_stream": lambda: "before",
        "set_stream": used.append,
        "device": lambda _: nullcontext(),
        "graph": Graph,
        "CUDAGraph": lambda: SimpleNamespace(replay=lambda: None),
        "get_sync_debug_mode": lambda: 0,
        "set_sync_debug_mode": lambda _: None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    return used


def test_a_capture_that_computes_nothing_again_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one is in which the kernels went to another device's stream: torch only warns that its graph is empty."""
    used, network = stand_in_for_cuda(monkeypatch), Network()
    calls = RunCalls(network.call, WHOLE, lambda images: capture_call(network.call, images, STREAM))
    for _ in range(CAPTURED_AFTER + 3):
        images = torch.rand(WHOLE, 2, 2, 3)
        torch.testing.assert_close(calls.make(images)[0], 2 * images)
    assert used == ["before"]


def test_after_a_capture_that_fails_the_thread_is_in_its_stream_again(monkeypatch: pytest.MonkeyPatch) -> None:
    used = stand_in_for_cuda(monkeypatch)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(torch.cuda, "graph", fail)
    assert capture_call(Network().call, torch.rand(WHOLE, 2, 2, 3), STREAM) is None
    assert used == ["before"]
