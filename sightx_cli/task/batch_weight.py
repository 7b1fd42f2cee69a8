"""What the loss of a batch weighs beside those of other parts of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def sum_weights(targets: Tensor, weight: Tensor | None) -> Tensor:
    """Sum up what the mean over a batch divides by: targets (N,) weigh as their class does, where `weight` (C,) says.

    So a batch's loss is the mean of its parts' losses by these sums. Targets (N, C) of several labels all weigh the
    same (see `task.multilabel.build_binary_loss`).
    """
    if weight is None or targets.dim() != 1:
        return targets.new_full((), len(targets)).float()
    return weight[targets].sum()
