"""The forward of a network while it trains: its precision, and how a batch goes through it.

It takes the place of the model's own `forward`, so that the names of its weights stay as they are.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from fastai.callback.core import Callback
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sightx_cli.engine.interface import EXACT, Precision
from sightx_cli.engine.torch_forward import computing_in
from sightx_cli.engine.whole_calls import fill_up
from sightx_cli.train.callbacks import BATCH_NORMS

Run = Callable[..., Tensor]


class StepForward:
    """Computes logits (N, classes): in a precision in training, its head in float32, and all in float32 in validation.

    The context of the precision is entered within each call, so that it cannot outlive a batch that an error or Ctrl-C
    ends.
    """

    def __init__(self, model: nn.Module, precision: Precision, device_type: str) -> None:
        self.model, self.precision, self.device_type = model, precision, device_type
        self.run: Run = model.forward
        self.parts = 1
        """In how many parts a batch goes through, one after the other."""
        self.compiled: Run | None = None
        """`run` as torch's compiler makes it."""
        self.compiled_images = 0
        """The images of the batches that it is made for: others, such as an epoch's last, would have it made again."""
        self.whole_images = 0
        """With how many images a smaller batch is filled up, such as an epoch's last; 0: it stays as it is."""
        self.captured: Run | None = None
        """`run` as CUDA graphs."""
        self.captured_shapes: list[torch.Size] = []
        """The shapes of the inputs that they are of."""

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Return the logits of a batch."""
        training, images = self.model.training, len(inputs[0])
        if images < self.whole_images and not any(map(learns_statistics, self.model.modules())):
            inputs = tuple(fill_up(one, self.whole_images) for one in inputs)
        return self._run_whole(inputs, training)[:images]

    def _run_whole(self, inputs: tuple[Tensor, ...], training: bool) -> Tensor:
        with self.computing():
            if self.parts > 1:
                return self._run_parts(inputs)
            if training and self.compiled is not None and len(inputs[0]) == self.compiled_images:
                # What the graph gave in the step before is not read again.
                torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
                return self.compiled(*inputs)
            if training and self.captured is not None and [one.shape for one in inputs] == self.captured_shapes:
                return self.captured(*inputs)
            return self.run(*inputs)

    def drop_captured(self) -> None:
        """Give back the memory of what was captured."""
        if self.captured is not None:
            self.captured, self.captured_shapes = None, []
            gc.collect()  # a graph is in a cycle
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def computing(self, keeps_casts: bool = True) -> AbstractContextManager[None]:
        """Return the context of the precision: `keeps_casts` casts a weight that is read twice once."""
        return computing_in(self.precision if self.model.training else EXACT, self.device_type, keeps_casts)

    def _run_parts(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Run a batch in parts: what a part's gradients need is computed again when they are, and is held no longer.

        That takes a second forward, and gives the gradients of the whole batch to any loss of it (Chen et al. 2016,
        arXiv:1604.06174). Norms that learn their statistics see each part by itself.
        """
        parts = list(zip(*(one.split(-(-len(one) // self.parts)) for one in inputs), strict=True))  # type: ignore[no-untyped-call]
        if not torch.is_grad_enabled():
            return torch.cat([self.run(*part) for part in parts])
        return torch.cat([checkpoint(self.run, *part, use_reentrant=False) for part in parts])


class WholeBatches(Callback):
    """Lets a GPU meet one size of batch in training and one in validation: each takes it seconds to plan for."""

    def __init__(self, steps: StepForward, processes: int = 1) -> None:
        """Each of so many `processes` reads its part of every batch."""
        self.steps, self.processes = steps, processes

    def before_train(self) -> None:
        """Fill batches up to those of training."""
        self.steps.whole_images = -(-count_whole(self.learn.dls.train) // self.processes)

    def before_validate(self) -> None:
        """Fill batches up to those of validation, where there are several."""
        loader = self.learn.dls.valid
        self.steps.whole_images = -(-count_whole(loader) // self.processes) if len(loader) > 1 else 0


def count_whole(loader: Any) -> int:
    """Count the images of a whole batch of a loader's next pass."""
    images: int = getattr(loader, "next_batch", loader.bs)
    return images


def learns_statistics(module: nn.Module) -> bool:
    """Tell whether a module is a norm that learns from a whole batch, so that no image is by itself."""
    return module.training and isinstance(module, BATCH_NORMS)


@contextmanager
def training_in(model: nn.Module, head: nn.Module, precision: Precision, device_type: str) -> Iterator[StepForward]:
    """Let a model's forward be a `StepForward` in the block."""
    read = head.forward

    def run_head(features: Tensor) -> Tensor:
        with torch.autocast(device_type, enabled=False):
            logits: Tensor = read(features.float())
        return logits

    head.forward = run_head
    steps = StepForward(model, precision, device_type)  # after the head's, which may be all there is of the model
    model.forward = steps
    try:
        yield steps
    finally:
        steps.drop_captured()
        for module in {id(model): model, id(head): head}.values():
            del module.forward
