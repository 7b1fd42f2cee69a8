"""Gradients in float16, for GPUs before Ampere: scaled up before they are computed, and back before they are used.

float16 has nothing below 6e-8, where many gradients are (Micikevicius et al. 2018, arXiv:1710.03740).
"""

from __future__ import annotations

from fastai.callback.core import Callback
from fastai.callback.fp16 import MixedPrecision
from torch.amp.grad_scaler import GradScaler


class ScaledGradients(Callback):
    """torch's own scaler around fastai's step; a step whose gradients overflow is left out, and the scale halved.

    fastai's `MixedPrecision` also judges each epoch in half precision, and reads the scale in each step.
    """

    order = MixedPrecision.order  # fastai clips gradients just behind it

    def __init__(self, device_type: str) -> None:
        self.scaler = GradScaler(device_type)

    def before_fit(self) -> None:
        """Stand in for fastai's step."""
        self.learn._step = self._step

    def before_backward(self) -> None:
        """Scale the loss."""
        self.learn.loss_grad = self.scaler.scale(self.learn.loss_grad)

    def before_step(self) -> None:
        """Scale the gradients back, so that they are clipped as they are."""
        self.scaler.unscale_(self.learn.opt)

    def _step(self) -> None:
        self.scaler.step(self.learn.opt)

    def after_step(self) -> None:
        """Adapt the scale."""
        self.scaler.update()

    def after_fit(self) -> None:
        """Step aside."""
        del self.learn._step
