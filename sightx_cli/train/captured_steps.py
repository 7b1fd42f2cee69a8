"""Steps captured as CUDA graphs: their kernels are recorded once, and Python starts all of them with one call.

A step of a small network is a thousand kernels, and on a server's slow cores Python takes longer to start them than a
fast GPU to compute them: on an H200 a step of 256 images at 224 px took 46 ms, of which the kernels were 33
(`tf_efficientnet_lite0`; benchmarks/README.md). To start the captured ones takes 7, and to capture them a third of a
second. What is replayed is what would have been computed.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from fastai.callback.core import Callback
from torch import Tensor, nn

from sightx_cli.engine.captured_calls import refusing_waits
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
            self._is_over = True
            steps.drop_captured()
        if self._is_over or steps.compiled is not None:
            return
        images = count_whole(learn.dls.train)
        asked = images, *identify_steps(learn.model)
        if asked == self._captured_for:
            return
        self._captured_for = asked
        steps.drop_captured()
        if (learn.n_epoch - learn.epoch) * len(learn.dls.train) < LEAST_STEPS:
            return
        learn.pred = learn.loss = learn.loss_grad = None  # what they hold is of no captured step
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

    def __init__(self, steps: StepForward) -> None:
        super().__init__()
        self.model, self.steps = steps.model, steps
        self.logits: Tensor | None = None
        """Of the last call."""

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the logits of a batch, computed in the precision of a step; its gradients are taken outside of it."""
        with self.steps.computing(keeps_casts=False):
            self.logits = self.steps.run(*inputs)
        return self.logits


def capture_steps(steps: StepForward, inputs: Sequence[Tensor]) -> Run:
    """Capture a step's forward and backward as two CUDA graphs; the inputs become theirs.

    Raises what torch raises where a network cannot be captured, or the memory does not hold it.
    """
    device = inputs[0].device
    gc.collect()  # no graph of before is to be freed meanwhile
    with torch.cuda.device(device):
        refuse_waits(steps, inputs)
        own, stream = OwnForward(steps), torch.cuda.current_stream()
        try:
            captured: Any = torch.cuda.make_graphed_callables(own, tuple(inputs), allow_unused_input=True)
        except BaseException:
            torch.cuda.set_stream(stream)  # a capture that fails stays in its own
            raise
    if own.logits is not None and not own.logits._is_view():
        own.logits.detach_()  # else the gradients' nodes stay those of the capture's stream, and each step waits for it
    own.logits = None
    replay, held = captured.forward, list_cached_tensors(steps.model)

    def run(*given: Tensor, _held: object = held) -> Tensor:
        logits: Tensor = replay(*given)
        return logits

    return run


def refuse_waits(steps: StepForward, inputs: Sequence[Tensor]) -> None:
    """Run a step in which whatever waits for the device raises RuntimeError: in a capture it would break more."""
    with refusing_waits():
        with steps.computing(keeps_casts=False):
            logits = steps.run(*inputs)
        learned = [parameter for parameter in steps.model.parameters() if parameter.requires_grad]
        torch.autograd.grad(logits, learned, torch.zeros_like(logits), allow_unused=True)


def list_cached_tensors(model: nn.Module) -> list[Tensor]:
    """List what modules keep of earlier calls, such as attention biases: a graph reads it after they drop it."""
    kept = (one for module in model.modules() for one in vars(module).values() if isinstance(one, dict))
    return [one for values in kept for one in values.values() if isinstance(one, Tensor)]
