"""The losses of steps, kept where they are computed: a device that works ahead of Python is not waited for.

Reading one number off a GPU (`item`, `cpu`, `float`) waits for all that it has still to do, and meanwhile nothing more
is given to it. fastai's averages read each step's loss; these keep it on its device, and are read when asked.
"""

from __future__ import annotations

from typing import Any

import torch
from fastai.callback.core import Callback
from fastai.learner import AvgLoss, AvgSmoothLoss, find_bs
from torch import Tensor


class StepLoss(AvgSmoothLoss):
    """fastai's running average of the losses of steps, the same numbers, on the losses' own device."""

    def reset(self) -> None:
        """Start again."""
        self.count = 0
        self.val: Tensor | None = None

    def accumulate(self, learn: Any) -> None:
        """Take a step's loss in."""
        self.count += 1
        loss = learn.loss.detach().mean()
        before = torch.zeros_like(loss) if self.val is None else self.val
        self.val = torch.lerp(loss, before, self.beta)


class PartLoss(AvgLoss):
    """fastai's mean loss over a part, the same numbers, on the losses' own device."""

    def accumulate(self, learn: Any) -> None:
        """Take a batch's loss in."""
        count = find_bs(learn.yb)
        self.total += learn.loss.detach().mean() * count
        self.count += count


class LossesOnDevice(Callback):
    """Gives fastai's recorder the averages that wait for nothing."""

    order = 0  # before the recorder begins

    def before_fit(self) -> None:
        """Put them in the place of fastai's."""
        recorder = self.learn.recorder
        # Past `Callback.__setattr__`, which warns that the learner has a loss of its own: so has fastai's recorder.
        vars(recorder).update(smooth_loss=StepLoss(recorder.smooth_loss.beta), loss=PartLoss())


def read_losses(losses: list[Tensor]) -> list[float]:
    """Read losses off their device, in one go."""
    values: list[float] = torch.stack(losses).tolist() if losses else []
    return values
