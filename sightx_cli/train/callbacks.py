"""fastai callbacks: frozen parts stay frozen, and a loss that is not finite stops."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

from fastai.callback.core import Callback
from fastai.callback.training import bn_types
from torch import Tensor, nn

from sightx_cli.errors import TrainingError

NORMS_TRAIN_FROM_IMAGES = 50_000
"""Below this many training images BatchNorm keeps the pretrained statistics even where its stage trains: batches of 32
from few images disturb them more than they teach (the band edge of the decision table's `large` cells)."""

BATCH_NORMS = (*bn_types, nn.SyncBatchNorm)
"""fastai's own list, and what it becomes on several devices."""


class FrozenStaysFrozen(Callback):
    """Put frozen modules into evaluation mode: fastai's `freeze` leaves BatchNorm's statistics moving.

    Only the modules in `trained` are switched to training mode; BatchNorm among them only if `norms_train`.
    """

    order = 5

    def __init__(self, backbone: nn.Module, trained: Sequence[nn.Parameter], norms_train: bool) -> None:
        self.backbone, self.norms_train = backbone, norms_train
        self.live: list[nn.Module] = []
        self.thaw(trained)

    def thaw(self, trained: Sequence[nn.Parameter]) -> None:
        """Let the modules of these parameters train too, from the next epoch on."""
        parameters = {id(parameter) for parameter in trained}
        self.live += [
            module
            for module in self.backbone.modules()
            if any(id(p) in parameters for p in module.parameters())
            and (self.norms_train or not isinstance(module, BATCH_NORMS))
        ]

    def before_train(self) -> None:
        """Set the modes for an epoch's training part (fastai has just put the whole model into training mode)."""
        self.backbone.eval()
        for module in self.live:
            module.training = True


class FiniteLoss(Callback):
    """Stop with what to try next when the loss is no longer finite.

    fastai's `TerminateOnNaNCallback` checks after the optimizer's step, when the weights are ruined, and says nothing.
    """

    order = 6

    def after_loss(self) -> None:
        """Check the batch's loss before the weights are updated."""
        if self.training and not math.isfinite(self.learn.loss.item()):
            rate = max(hyper["lr"] for hyper in self.learn.opt.hypers)
            raise TrainingError(
                f"the loss is no longer finite (epoch {self.learn.epoch + 1}, rate {rate:.1e})",
                "try a tenth of the rate (sightx lr-find shows where it diverges), or --set training.clip=1.0",
            )


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a model's weights, to go back to."""
    return copy.deepcopy(model.state_dict())
