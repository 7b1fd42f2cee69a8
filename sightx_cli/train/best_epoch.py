"""The best epoch of a fit so far: its figures, and the weights that gave them. Imports no fastai."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from sightx_cli.metrics.figures import is_better
from sightx_cli.metrics.registry import LOSS


@dataclass
class Best:
    """The best epoch so far over all training stages: its figures and the weights that gave them."""

    metric: str
    stage: str = ""
    epoch: int = 0
    figures: dict[str, float | None] = field(default_factory=dict)
    evened_loss: float | None = None
    """The log loss to which every class counts the same, where classes are very unequal: it decides ties."""
    probabilities: NDArray[np.float32] | None = None
    """(N, C), of the valid part at the best epoch, in its order."""
    weights: dict[str, Tensor] = field(default_factory=dict)
    times: int = 0
    """How often an epoch was the best so far: it tells this one from others, as stages may have the same title."""
    backbone_trains: bool = False
    """Whether the current stage, or one before it, trains the backbone; set by the caller that runs the stages."""
    backbone_trained: bool = False
    """The same at the best epoch: False means that its backbone is the pretrained one."""

    def offer(
        self,
        model: nn.Module,
        stage: str,
        epoch: int,
        figures: dict[str, float | None],
        probabilities: NDArray[np.float32],
        evened_loss: float | None = None,
    ) -> bool:
        """Keep this epoch if it is better by the metric; on a tie, the lower loss wins. Returns whether it was kept."""
        if self.figures and not self._is_better(figures, evened_loss):
            return False
        weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        # In one step, so that Ctrl-C cannot leave the figures of one epoch with the weights of another.
        vars(self).update(
            stage=stage,
            epoch=epoch,
            figures=figures,
            evened_loss=evened_loss,
            probabilities=probabilities,
            weights=weights,
            times=self.times + 1,
            backbone_trained=self.backbone_trains,
        )
        return True

    def _is_better(self, figures: dict[str, float | None], evened_loss: float | None) -> bool:
        neither = figures.get(self.metric) is None and self.figures.get(self.metric) is None
        metric = LOSS.name if neither else self.metric
        new, old = figures.get(metric), self.figures.get(metric)
        if new is None or old is None:
            return new is not None
        if new == old:
            metric = LOSS.name
            new, old = figures[metric], self.figures[metric]
            if evened_loss is not None and self.evened_loss is not None:
                new, old = evened_loss, self.evened_loss
        return new is not None and old is not None and is_better(metric, new, old)

    def restore(self, model: nn.Module) -> None:
        """Put the best weights back."""
        if self.weights:
            model.load_state_dict(self.weights)


def list_figures(figures: Mapping[str, float | None]) -> dict[str, float]:
    """Return an epoch's figures as a row of the history; the loss is that of the valid part."""
    loss = figures[LOSS.name]
    known = {name: value for name, value in figures.items() if name != LOSS.name and value is not None}
    return {"valid_loss": float("nan") if loss is None else loss, **known}
