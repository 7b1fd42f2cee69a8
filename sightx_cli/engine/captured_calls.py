"""Calls of a network captured as CUDA graphs: their kernels are recorded once, and Python starts all with one call.

On a server's slow cores Python starts the kernels of a small network about as slowly as a fast GPU computes them, and
has the images to bring as well: on an H200 a call with 256 images took 13.8 ms, for 13.0 of which Python was busy, and
captured for 3.3 (`tf_efficientnet_lite0`, 224 px, bfloat16). From files of 32 px to features that was 13,100 images/s
in place of 10,300.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from sightx_cli.engine.whole_calls import fill_up

CAPTURED_AFTER = 8
"""Whole batches of a run before its calls are captured: that takes as long as Python takes to start some six."""

Captured = Callable[[Tensor], Sequence[Tensor]]
"""A call on images of one shape. What it gives is overwritten by the next, behind what is under way on the device."""


class RunCalls:
    """The calls of one run: once there were some on whole batches, by what was captured.

    That holds memory of its own until the run ends, and belongs to no other: several threads may run one network.
    """

    def __init__(self, call: Captured, images: int, capture: Callable[[Tensor], Captured | None]) -> None:
        """`capture` gives the `call` on a whole batch of `images`, or None where it cannot be captured."""
        self._call, self._images, self._capture = call, images, capture
        self._captured: Captured | None = None
        self._made = 0

    def make(self, pixels: Tensor) -> Sequence[Tensor]:
        """Call the network on images (N, H, W, 3)."""
        if self._captured is not None and len(pixels) <= self._images:
            outputs = self._captured(fill_up(pixels, self._images))
            return [one[: len(pixels)] for one in outputs]
        outputs = self._call(pixels)
        self._made += len(pixels) == self._images
        if self._made == CAPTURED_AFTER:
            self._made += 1  # not tried again
            self._captured = self._find_same(pixels, outputs)
        return outputs

    def close(self) -> None:
        """Give back the memory of what was captured."""
        if self._captured is not None:
            self._captured = None
            torch.cuda.empty_cache()

    def _find_same(self, pixels: Tensor, expected: Sequence[Tensor]) -> Captured | None:
        """Capture the call; None where it cannot be, or gives anything else than it gave."""
        try:
            captured = self._capture(pixels)
            if captured is None:
                return None
            same = all(torch.equal(one, other) for one, other in zip(captured(pixels), expected, strict=True))
        except torch.OutOfMemoryError:
            return None
        return captured if same else None


def capture_call(call: Captured, pixels: Tensor, stream: torch.cuda.Stream) -> Captured | None:
    """Capture a call on images, in a stream; None where the network waits for the device meanwhile, or memory is short.

    No other thread may wait for the device meanwhile.
    """
    with torch.cuda.device(pixels.device):
        before, graph = torch.cuda.current_stream(), torch.cuda.CUDAGraph()
        try:
            held = pixels.flip(0)  # other images: what a capture computes at once is not what it is compared with
            with refusing_waits():
                call(held)
            with torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
                outputs = call(held)
        except RuntimeError:  # OutOfMemoryError is one
            return None
        finally:
            torch.cuda.set_stream(before)  # a capture that fails stays in its own

    def replay(pixels: Tensor) -> Sequence[Tensor]:
        held.copy_(pixels)
        graph.replay()
        return outputs

    return replay


@contextmanager
def refusing_waits() -> Iterator[None]:
    """Let whatever waits for a CUDA device raise RuntimeError: in a capture it would break more."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
