"""fastai callbacks: frozen parts stay frozen, and a loss that is not finite stops."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from fastai.callback.core import Callback
from fastai.callback.training import bn_types
from torch import Tensor, nn

from sightx_cli.errors import TrainingError

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

    def __init__(self, look_every: int = 1) -> None:
        self.look_every = look_every
        """After how many steps the losses are looked at, and at the end of each epoch. With more than one (see
        `step_losses`) the weights may have learned from such a loss by then: the best epoch's are what is kept."""
        self._are_finite: Tensor | None = None
        self._steps = 0

    def before_train(self) -> None:
        """Begin an epoch."""
        self._are_finite, self._steps = None, 0

    def after_loss(self) -> None:
        """Check the batch's loss before the weights are updated, or keep it in mind until the next look."""
        if not self.training:
            return
        is_finite = self.learn.loss.detach().isfinite().all()
        self._are_finite = is_finite if self._are_finite is None else self._are_finite & is_finite
        self._steps += 1
        if self._steps % self.look_every == 0:
            self._look()

    def after_train(self) -> None:
        """Look at what the last steps of the epoch gave."""
        if self.look_every > 1:
            self._look()

    def _look(self) -> None:
        if self._are_finite is not None and not bool(self._are_finite):
            rate = max(hyper["lr"] for hyper in self.learn.opt.hypers)
            raise TrainingError(
                f"the loss is no longer finite (epoch {self.learn.epoch + 1}, rate {rate:.1e})",
                "try a tenth of the rate (sightx lr-find shows where it diverges), or --set training.clip=1.0",
            )


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a model's weights, to go back to."""
    return copy.deepcopy(model.state_dict())
