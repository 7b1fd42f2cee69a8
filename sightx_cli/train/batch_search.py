"""How many images a training step takes on a GPU: more than the recipe says, as many as its memory holds and are tried.

A GPU is the busier the more images a step has, and each number of images that it meets costs seconds: cuDNN plans every
convolution for it (8 s for `tf_efficientnet_lite0`, forward and backward, on an H200 whose server has slow cores). So
the most that the rules allow is tried first, and fewer only where the memory does not hold it.

The rates of the recipe are for its batch. With k times as many images the gradient's noise is 1/√k of what it was, and
the rates that follow the same course are √k times as high for Adam (Malladi et al. 2022, arXiv:2205.10287) and k times
for SGD (Goyal et al. 2017, arXiv:1706.02677).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sightx_cli.engine.torch_forward import wait_for
from sightx_cli.progress import Notice
from sightx_cli.train.callbacks import FrozenStaysFrozen

LEAST_STEPS = 20
"""An epoch has so many steps: fewer learn less from it, whatever the rates."""
MOST_TIMES = 8
"""How many times the recipe's batch is the most: beyond, the rates' rule is less and less tried. Assumed."""
MEMORY_SHARE = 0.8
"""Of the memory that is free, for a step: the rest is for what another batch of images makes it take."""
TRIED_STEPS = 3
"""Steps of a trial; the first is not timed, for kernels are chosen and memory is taken in it."""


@dataclass(frozen=True)
class TriedBatch:
    """A batch tried: the images a second of a step, and the bytes that it held at most."""

    images: int
    rate: float
    bytes_held: int


@dataclass(frozen=True)
class BatchChoice:
    """The batch of a stage, and why it is not larger."""

    batch: int
    recipe_batch: int
    optimizer: str
    trial: TriedBatch | None = None
    limit: str = ""

    @property
    def times(self) -> float:
        """How many times the recipe's batch it is."""
        return self.batch / self.recipe_batch

    @property
    def rate_factor(self) -> float:
        """What the recipe's rates are multiplied by."""
        return self.times if self.optimizer == "sgd" else math.sqrt(self.times)

    def describe(self, stage: str) -> Notice:
        """Say what was chosen, and how to keep the recipe's."""
        rule = "in proportion" if self.optimizer == "sgd" else "by the square root"
        rate = f", {self.trial.rate:,.0f} images/s" if self.trial is not None else ""
        said = (
            f"stage {stage}: {self.batch} images a step in place of the recipe's {self.recipe_batch}{rate} "
            f"({self.limit}); rates × {self.rate_factor:.2f}, {rule}. "
            f"--set training.batch={self.recipe_batch} keeps the recipe's"
        )
        return Notice("batch", said, self.batch)


def find_train_batch(
    recipe_batch: int, optimizer: str, images: int, free_bytes: int | None, try_batch: Callable[[int], TriedBatch]
) -> BatchChoice:
    """Find the largest of the recipe's batch, doubled some times, that the memory holds and that leaves enough steps.

    `try_batch` computes steps with so many images; where the memory does not hold them it raises OutOfMemoryError.
    """
    by_steps, by_times = images // LEAST_STEPS, MOST_TIMES * recipe_batch
    limit = f"{LEAST_STEPS} steps an epoch at least" if by_steps < by_times else f"{MOST_TIMES} times it at most"
    batch = recipe_batch
    while 2 * batch <= min(by_steps, by_times):
        batch *= 2
    while batch > recipe_batch:
        try:
            trial = try_batch(batch)
            if free_bytes is None or trial.bytes_held <= MEMORY_SHARE * free_bytes:
                return BatchChoice(batch, recipe_batch, optimizer, trial, limit)
        except torch.OutOfMemoryError:
            pass  # fewer are tried
        batch, limit = batch // 2, "the memory of the GPU"
    return BatchChoice(recipe_batch, recipe_batch, optimizer)


def build_inputs(shapes: Sequence[Sequence[int]], device: torch.device, images: int) -> list[Tensor]:
    """Build inputs of nothing for so many images, laid out as a step gets them; `shapes` are those of one image's."""
    inputs = [torch.rand((images, *shape), device=device) for shape in shapes]
    return [one.contiguous(memory_format=torch.channels_last) if one.dim() == 4 else one for one in inputs]


class StepTrials:
    """Steps of a learner on images of nothing, forward and backward: its weights and statistics stay as they are."""

    def __init__(self, learner: Any, shapes: Sequence[Sequence[int]], targets: Tensor, device: torch.device) -> None:
        """`shapes` are those of one image's inputs; `targets` (N, …) are some of the training part's."""
        self.learner, self.shapes, self.targets, self.device = learner, shapes, targets, device

    def run(self, images: int) -> TriedBatch:
        """Try a batch of so many images."""
        learner = self.learner
        learner.model.train()
        for callback in learner.cbs:
            if isinstance(callback, FrozenStaysFrozen):
                callback.before_train()
        kept = [buffer.clone() for buffer in learner.model.buffers()]
        try:
            with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
                return self._time(images)
        finally:
            learner.opt.zero_grad()
            with torch.no_grad():
                for buffer, before in zip(learner.model.buffers(), kept, strict=True):
                    buffer.copy_(before)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _time(self, images: int) -> TriedBatch:
        inputs = build_inputs(self.shapes, self.device, images)
        targets = self.targets[torch.arange(images) % len(self.targets)].to(self.device)
        before = self._restart()
        for number in range(TRIED_STEPS):
            if number == 1:
                wait_for(self.device)
                began = time.perf_counter()
            self.learner.loss_func(self.learner.model(*inputs), targets).backward()
            self.learner.opt.zero_grad()
        wait_for(self.device)
        seconds = max(time.perf_counter() - began, 1e-9)
        held = torch.cuda.max_memory_allocated(self.device) - before if self.device.type == "cuda" else 0
        return TriedBatch(images, (TRIED_STEPS - 1) * images / seconds, held)

    def _restart(self) -> int:
        """Begin to count what is held anew; returns what is held already."""
        if self.device.type != "cuda":
            return 0
        torch.cuda.reset_peak_memory_stats(self.device)
        return torch.cuda.memory_allocated(self.device)
