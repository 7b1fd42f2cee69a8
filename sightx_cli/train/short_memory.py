"""A batch that a GPU's memory does not hold goes through in parts, with the same result, and training goes on."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import torch
from fastai.callback.core import Callback

from sightx_cli.progress import Notice
from sightx_cli.train.step_forward import StepForward


class ShortMemory(Callback):
    """Runs a batch again in twice the parts when memory runs out before its update has begun; nothing is lost.

    Rates, schedule and the number of steps stay: it is the same batch (see `StepForward`). Of several processes each
    would have to do the same, so there it ends the training as any shortage does.
    """

    order = 1

    def __init__(self, steps: StepForward, tell: Callable[[Notice], None]) -> None:
        self.steps, self.tell = steps, tell
        self._updates = False

    def before_fit(self) -> None:
        """Stand in for fastai's batch."""
        self._run_once: Callable[[], Any] = self.learn._do_one_batch
        self.learn._do_one_batch = self._run

    def before_step(self) -> None:
        """Note that from here on a batch cannot be run again: weights change one after the other."""
        self._updates = True

    def _run(self) -> None:
        while not self._fits():
            self.learn.pred = self.learn.loss = self.learn.loss_grad = None  # they hold the whole batch's maps
            self.learn.opt.zero_grad()
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if self.steps.captured is not None:  # its memory is the first to go
                self.steps.drop_captured()
                continue
            self.steps.parts *= 2
            self.tell(describe_shortage(len(self.learn.xb[0]), self.steps.parts))

    def _fits(self) -> bool:
        self._updates = False
        try:
            self._run_once()
        except torch.OutOfMemoryError:
            if self._updates or self.steps.parts >= len(self.learn.xb[0]) or is_one_of_many():
                raise
            return False
        return True

    def after_fit(self) -> None:
        """Step aside."""
        del self.learn._do_one_batch


def is_one_of_many() -> bool:
    """Tell whether this process trains with others."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def describe_shortage(images: int, parts: int) -> Notice:
    """Say that batches go through in parts, and what would be quicker."""
    fits = max(1, images // parts)
    said = (
        f"the memory of the GPU does not hold {images} images at once: they go through in {parts} parts, with the same "
        f"result, about a third slower. --set training.batch={fits} would be quicker"
    )
    return Notice("batch-parts", said, images)
