"""Training in several processes: each learns from its part of every batch, and all take the same steps.

fastai's `DistributedTrainer` wraps the model, by Accelerate, in torch's DistributedDataParallel, which averages the
gradients. A recipe's batch is that of all processes together, divided among them: so the steps are those of one
process, and the figures too, but for rounding.
"""

from __future__ import annotations

import gc
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import DistributedDataParallelKwargs
from fastai.callback.core import Callback
from fastai.distributed import DistributedTrainer
from torch import Tensor, distributed

from sightx_cli.model.shared_norms import share_norms, unshare_norms
from sightx_cli.processes import HIDDEN_NAMES, Processes
from sightx_cli.progress import Listener, Notice
from sightx_cli.task.batch_weight import sum_weights
from sightx_cli.train.callbacks import BATCH_NORMS
from sightx_cli.train.state import Session

SHOWN_NAMES = (*HIDDEN_NAMES, "LOCAL_RANK", "LOCAL_WORLD_SIZE")
"""What Accelerate reads in the environment."""


def list_distribution(session: Session) -> list[Callback]:
    """List the callbacks that let a learner train with those of the other processes."""
    return [Distribution(session), JoinedLoss(session), WeighedGradient()]


def compare_weights(session: Session, listener: Listener) -> None:
    """Warn where the processes have come to other weights than the first, which are kept."""
    checksum = 0
    for tensor in session.model.state_dict().values():
        checksum = zlib.crc32(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy(), checksum)
    found = session.processes.gather(checksum)
    if others := sum(one != found[0] for one in found):
        said = f"{others} of {len(found)} processes have come to other weights than the first, whose are kept"
        listener.notice(Notice("processes", f"{said}: are their GPUs or packages of another kind?", others, warns=True))


class Distribution(DistributedTrainer):
    """fastai's trainer in several processes, with loaders that know their part, and groups that join later."""

    order = 11  # before the judge begins

    def __init__(self, session: Session) -> None:
        processes, is_cpu = session.processes, session.device.type == "cpu"
        with _showing(processes, session.device):
            super().__init__(
                sync_bn=False,  # fastai's conversion loses the activation in timm's norms: see `share_norms`
                cpu=is_cpu,
                # Norms have the same statistics everywhere, or are averaged below; what of the network a stage leaves
                # unused is so in every step.
                kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False, static_graph=True)],
            )
        self.session, self.processes = session, processes
        self._averages = is_cpu and session.norms_train()
        if self._averages and processes.is_first:
            said = "without GPUs BatchNorm normalises each process's part of a batch by itself"
            session.notice(Notice("processes", f"{said}: figures are a little others than those of one process"))

    def before_fit(self) -> None:
        """Wrap the model, and let the loaders give this process's part."""
        if self.session.norms_train() and not self._averages:
            share_norms(self.session.model)
        train, valid = self.dls.train, self.dls.valid
        train.share = self.processes.cut
        draw = valid.get_idxs
        valid.get_idxs = lambda: (order := list(draw()))[self.processes.cut_span(len(order))]
        super().before_fit()
        self._trained = self._list_trained()

    def after_fit(self) -> None:
        """Take the wrapper off again."""
        super().after_fit()
        unshare_norms(self.session.model)

    def _wrap_dl(self, loader: Any) -> Any:
        return loader  # fastai's own loader sends positions by CUDA, and gives each process another part of the epoch

    def _list_trained(self) -> list[int]:
        return [id(parameter) for parameter in self.learn.model.parameters() if parameter.requires_grad]

    def before_epoch(self) -> None:
        """Wrap the model again where groups have joined, whose gradients are to be averaged too."""
        # Each process drops out other parts; the first as it would alone.
        if not self.processes.is_first:
            torch.manual_seed(hash((self.session.view.seed, self.learn.epoch, self.processes.rank)) % 2**31)
        trained = self._list_trained()
        if trained == self._trained:
            return
        inner, self._trained = self.learn.model.module, trained
        self.learn.model = inner
        self.accelerator.free_memory()
        gc.collect()  # what the wrapper left at the parameters goes with it
        self.learn.model = self.accelerator.prepare(inner)

    def after_train(self) -> None:
        """Average the statistics of norms that have learned on this process's part alone."""
        if self._averages:
            for module in self.learn.model.modules():
                if isinstance(module, BATCH_NORMS) and module.training and module.running_mean is not None:
                    for statistic in (module.running_mean, module.running_var):
                        distributed.all_reduce(statistic)
                        statistic /= self.processes.count


class JoinedLoss(Callback):
    """Gives each step the loss of its whole batch, so that every process shows, and stops at, the same."""

    order = 5  # before FiniteLoss

    def __init__(self, session: Session) -> None:
        self.count, self.class_weights = session.processes.count, session.class_weights()

    def after_loss(self) -> None:
        """Measure the loss of the whole batch, and what this part of it counts."""
        if self.training:
            targets = self.learn.y.as_subclass(Tensor)
            self.weight = sum_weights(targets, self.class_weights).to(self.learn.loss.device)
            self.learn.loss = self.join(self.learn.loss)

    def join(self, loss: Tensor) -> Tensor:
        """Return the loss of the whole batch, on its device; sets `part`, by which this part's gradient counts."""
        pair = torch.stack([loss.detach() * self.weight, self.weight])
        distributed.all_reduce(pair)
        self.part = self.weight * self.count / pair[1]
        return pair[0] / pair[1]


class WeighedGradient(Callback):
    """Lets this part of a batch count by its weight: torch's wrapper averages the processes, whatever each has."""

    order = 95  # after MixedImages

    def after_loss(self) -> None:
        """Weigh the loss that is derived, and show that of all where images are mixed."""
        if self.training:
            joined = self.learn.joined_loss
            is_mixed = any(type(callback).__name__ == "MixedImages" for callback in self.learn.cbs)
            if is_mixed:
                self.learn.loss = joined.join(self.learn.loss)
            self.learn.loss_grad = self.learn.loss_grad * joined.part


@contextmanager
def _showing(processes: Processes, device: torch.device) -> Iterator[None]:
    """Let Accelerate see the environment that fastai's learners are not to see, with the number of the device."""
    before = {name: os.environ.get(name) for name in SHOWN_NAMES}
    number = processes.local_rank if device.index is None else device.index
    shown = (processes.rank, processes.count, number, processes.local_count)
    os.environ |= {name: str(value) for name, value in zip(SHOWN_NAMES, shown, strict=True)}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ |= {name: value} if value is not None else {}
