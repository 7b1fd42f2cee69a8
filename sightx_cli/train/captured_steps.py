"""Steps captured as CUDA graphs: their kernels are recorded once, and Python starts all of them with one call.

A step of a small network is a thousand kernels, and on a server's slow cores Python takes longer to start them than a
fast GPU to compute them: on an H200 a step of 256 images at 224 px took 46 ms, of which the kernels were 33
(`tf_efficientnet_lite0`; benchmarks/README.md). To start the captured ones takes 7, and to capture them a third of a
second. What is replayed is what would have been computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from fastai.callback.core import Callback
from torch import Tensor, nn

from sightx_cli.train.step_forward import Run, StepForward, count_whole

LEAST_STEPS = 30
"""Fewer steps are left as they are: to capture takes as long as about ten."""

Capture = Callable[[StepForward, Sequence[Tensor]], Run]
"""Captures the forward and the backward of a model on inputs of a step's shapes."""


class CapturedSteps(Callback):
    """Captures the steps of a stage before its first epoch, and again where other layers train than before.

    `build_inputs` gives inputs of a whole batch. Gradients must be dropped after each step, as `FusedAdamW` does: their
    memory is the graph's.
    """

    order = 90  # once it is settled what trains in the epoch

    def __init__(
        self,
        steps: StepForward,
        build_inputs: Callable[[int], list[Tensor]],
        tell: Callable[[str], None],
        capture: Capture,
    ) -> None:
        self.steps, self.build_inputs, self.tell, self.capture = steps, build_inputs, tell, capture
        self._captured_for: tuple[object, ...] = ()
        self._is_over = False

    def before_train(self) -> None:
        """Capture, where the epoch's steps are not as captured; at no other time is nothing under way on the device."""
        steps, learn = self.steps, self.learn
        if steps.parts > 1:  # memory is short: what was captured has its own
            steps.captured, self._is_over = None, True
        if self._is_over or steps.compiled is not None:
            return
        images = count_whole(learn.dls.train)
        asked = images, *identify_steps(learn.model)
        if asked == self._captured_for:
            return
        self._captured_for, steps.captured = asked, None
        if (learn.n_epoch - learn.epoch) * len(learn.dls.train) < LEAST_STEPS:
            return
        inputs = self.build_inputs(images)
        try:
            with untouched(learn.model, inputs[0].device):
                captured = self.capture(steps, inputs)
        except Exception as error:  # of many kinds, by the network and the machine: training goes on without
            self._is_over = True
            why = next(iter(str(error).strip().splitlines()), type(error).__name__)[:120]
            self.tell(f"steps are not captured as a CUDA graph: {why}")
            return
        steps.captured, steps.captured_shapes = captured, [one.shape for one in inputs]


def identify_steps(model: nn.Module) -> tuple[object, ...]:
    """Describe what a captured step depends on: the weights with gradients, and the modules in training mode."""
    learned = tuple(name for name, parameter in model.named_parameters() if parameter.requires_grad)
    training = tuple(name for name, module in model.named_modules() if module.training)
    return learned, training


@contextmanager
def untouched(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Put a model's statistics and the random state back as they were before the block."""
    kept = [buffer.clone() for buffer in model.buffers()]
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        with torch.no_grad():
            for buffer, before in zip(model.buffers(), kept, strict=True):
                buffer.copy_(before)


class OwnForward(nn.Module):
    """A model with the forward that a `StepForward` runs, as `make_graphed_callables` wants it: without hooks."""

    def __init__(self, model: nn.Module, run: Run) -> None:
        super().__init__()
        self.model, self.run = model, run

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits of a batch."""
        return self.run(*inputs)


def capture_steps(steps: StepForward, inputs: Sequence[Tensor]) -> Run:
    """Capture a step's forward and backward as two CUDA graphs; the inputs become theirs.

    Raises what torch raises where a network cannot be captured, or the memory does not hold it.
    """
    with steps.computing(keeps_casts=False):
        captured: Any = torch.cuda.make_graphed_callables(
            OwnForward(steps.model, steps.run), tuple(inputs), allow_unused_input=True
        )
    run: Run = captured.forward
    return run
