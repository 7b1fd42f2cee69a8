"""What training minimises: cross-entropy, on targets that neighbouring grades share where the classes are grades."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sightx_cli.task.grades import share_grades


def build_loss(weight: Tensor | None, smoothing: float, grades: int) -> nn.Module:
    """Build the loss: weight (C,) per class or None, label smoothing, and the number of grades, 0 for none."""
    if not grades:
        return nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing)
    return GradedCrossEntropy(grades, weight, smoothing)


class GradedCrossEntropy(nn.Module):
    """Cross-entropy on shared targets (see `task.grades`): the mean over images, each weighing as its grade does."""

    shares: Tensor
    weight: Tensor

    def __init__(self, grades: int, weight: Tensor | None = None, smoothing: float = 0.0) -> None:
        super().__init__()
        device = None if weight is None else weight.device
        shares = torch.from_numpy(share_grades(grades)).to(device)
        self.register_buffer("shares", (1 - smoothing) * shares + smoothing / grades)
        self.register_buffer("weight", torch.ones(grades, device=device) if weight is None else weight)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of logits (N, C) against grades (N,)."""
        targets = targets.as_subclass(Tensor)
        each = -(self.shares.to(logits.device)[targets] * logits.log_softmax(1)).sum(1)
        weights = self.weight.to(logits.device)[targets]
        return (weights * each).sum() / weights.sum()
