"""Steps compiled by torch where that pays within the stage: measured, tried on a batch, and taken back if no faster."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from fastai.callback.core import Callback

from sightx_cli.train.compiler_needs import find_lack as find_lack
from sightx_cli.train.compiler_needs import find_missing_tool as find_missing_tool
from sightx_cli.train.step_forward import Run, StepForward

WARM_STEPS, MEASURED_STEPS = 10, 20
"""Steps before a measurement, while kernels are chosen and memory is taken, and those that are measured."""

EXPECTED_GAIN = 0.2
"""The share of a step that compiling is expected to save: on an A100 it saved 17 % of training in float32 and 34 % in
half precision, on average over 163 networks (pytorch.org, "PyTorch 2.0"). Not measured here."""

COMPILING_SECONDS = 90.0
"""What compiling the forward and the backward of a convolutional network takes. Assumed, not measured on a GPU."""

LEAST_GAIN = 1.05
"""How much faster compiled steps must be to stay."""


class CompiledSteps(Callback):
    """Compiles the steps of a stage when enough of them are left, and says what came of it.

    `wait` waits until the device has done its work, four times in a stage. `compile_run` is torch's compiler.
    """

    order = 95  # after images are mixed: what is tried is what a step gets

    def __init__(
        self,
        steps: StepForward,
        tell: Callable[[str], None],
        wait: Callable[[], None],
        compile_run: Callable[[Run], Run],
        compiling_seconds: float = COMPILING_SECONDS,
    ) -> None:
        self.steps, self.tell, self.wait, self.compile_run = steps, tell, wait, compile_run
        self.compiling_seconds = compiling_seconds
        self._count, self._began, self._is_over = 0, 0.0, False
        self._plain_seconds: float | None = None
        """Of a step that is not compiled."""
        self._spent = 0.0

    def before_batch(self) -> None:
        """Measure, decide, and measure again."""
        if self._is_over or not self.training or len(self.learn.xb[0]) != self.learn.dls.train.bs:
            return
        if self.steps.parts > 1:  # memory is short: the parts are not what would be compiled
            self.steps.compiled, self._is_over = None, True
            return
        if self._count == WARM_STEPS:
            self.wait()
            self._began = time.perf_counter()
        elif self._count == WARM_STEPS + MEASURED_STEPS:
            self.wait()
            self._judge((time.perf_counter() - self._began) / MEASURED_STEPS)
        self._count += 1

    def _judge(self, seconds: float) -> None:
        if self._plain_seconds is None:
            self._plain_seconds = seconds
            self._begin(seconds)
            return
        self._is_over = True
        gain = self._plain_seconds / seconds
        said = f"{self._plain_seconds * 1e3:.1f} ms a step before, {seconds * 1e3:.1f} compiled"
        if gain < LEAST_GAIN:
            self.steps.compiled = None
            self.tell(f"steps are not compiled: it was tried ({self._spent:.0f} s), and is no faster ({said})")
            return
        self.steps.drop_captured()  # what is compiled is captured by itself
        self.tell(f"steps are compiled by torch ({self._spent:.0f} s once): {said}")

    def _begin(self, seconds: float) -> None:
        done = self.learn.pct_train
        left = seconds * self.learn.n_epoch * self.learn.n_iter * (1 - done)
        if EXPECTED_GAIN * left <= self.compiling_seconds:
            self._is_over = True
            self.tell(
                f"steps are not compiled: {left:.0f} s of them are left, of which compiling would save about "
                f"{EXPECTED_GAIN:.0%}, and take {self.compiling_seconds:.0f} s"
            )
            return
        began = time.perf_counter()
        failure = self._try()
        self._spent = time.perf_counter() - began
        if failure:
            self._is_over, self.steps.compiled = True, None
            self.tell(f"steps are not compiled: torch's compiler failed on this network ({failure})")
        self._count = -1  # measured from here again

    def _try(self) -> str:
        """Compile forward and backward on the batch at hand, whose gradients are dropped; returns why it failed."""
        learn: Any = self.learn
        steps, failure = self.steps, ""
        steps.compiled, steps.compiled_images = self.compile_run(steps.run), len(learn.xb[0])
        devices = [learn.xb[0].device] if learn.xb[0].device.type == "cuda" else []
        kept = [buffer.clone() for buffer in learn.model.buffers()]
        try:
            with torch.random.fork_rng(devices):
                learn.loss_func(learn.model(*learn.xb), *learn.yb).backward()
        except Exception as error:  # of many kinds, by the network and the machine: training goes on without
            failure = next(iter(str(error).strip().splitlines()), type(error).__name__)[:120]
        learn.opt.zero_grad()
        with torch.no_grad():
            for buffer, before in zip(learn.model.buffers(), kept, strict=True):
                buffer.copy_(before)
        return failure


def build_compiler(is_captured: bool) -> Callable[[Run], Run]:
    """Build the compiler of steps: `is_captured` captures what it makes as CUDA graphs."""

    def compile_run(run: Run) -> Run:
        compiled: Run = torch.compile(run, dynamic=False, mode="reduce-overhead" if is_captured else "default")
        return compiled

    return compile_run
