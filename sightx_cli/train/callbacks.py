"""fastai callbacks: frozen parts stay frozen, the best epoch is kept, a loss that is not finite stops."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from fastai.callback.core import Callback, CancelFitException
from fastai.callback.training import bn_types
from numpy.typing import NDArray
from torch import Tensor, nn

from sightx_cli.errors import TrainingError
from sightx_cli.metrics.figures import is_better, measure_figures
from sightx_cli.progress import Listener

NORMS_TRAIN_FROM_IMAGES = 50_000
"""Below this many training images BatchNorm keeps the pretrained statistics also where its stage trains: batches of 32
from few images move them by more than they teach (the band edge of the decision table's `large` cells)."""

BATCH_NORMS = (*bn_types, nn.SyncBatchNorm)
"""fastai's own list, and what it becomes on several devices."""


class FrozenStaysFrozen(Callback):
    """Put what does not train into evaluation mode: fastai's `freeze` leaves BatchNorm's statistics moving.

    Only the modules in `trained` are switched to training mode; of them BatchNorm only where `norms_train`.
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
    """Stop with what to try next when the loss is no longer finite."""

    order = 6

    def after_loss(self) -> None:
        """Look at the batch's loss before anything is learned from it."""
        if self.training and not math.isfinite(self.learn.loss.item()):
            rate = max(hyper["lr"] for hyper in self.learn.opt.hypers)
            raise TrainingError(
                f"the loss is no longer finite (epoch {self.learn.epoch + 1}, rate {rate:.1e})",
                "try a tenth of the rate (sightx lr-find shows where it diverges), or --set training.clip=1.0",
            )


@dataclass
class Best:
    """The best epoch so far over all training stages: its figures and the weights that gave them."""

    metric: str
    stage: str = ""
    epoch: int = 0
    figures: dict[str, float | None] = field(default_factory=dict)
    probabilities: NDArray[np.float32] | None = None
    """(N, C), of the valid part at the best epoch, in its order."""
    weights: dict[str, Tensor] = field(default_factory=dict)
    backbone_trains: bool = False
    """Whether the stage that runs now, or one before it, trains the backbone: set by who runs the stages."""
    backbone_trained: bool = False
    """The same at the best epoch: False means that its backbone is the pretrained one."""

    def offer(
        self,
        model: nn.Module,
        stage: str,
        epoch: int,
        figures: dict[str, float | None],
        probabilities: NDArray[np.float32],
    ) -> bool:
        """Keep this epoch if it is better by the metric; between equals the lower loss. Returns whether it was kept."""
        if self.figures and not self._is_better(figures):
            return False
        self.stage, self.epoch, self.figures, self.probabilities = stage, epoch, figures, probabilities
        self.backbone_trained = self.backbone_trains
        self.weights = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
        return True

    def _is_better(self, figures: dict[str, float | None]) -> bool:
        neither = figures.get(self.metric) is None and self.figures.get(self.metric) is None
        metric = "loss" if neither else self.metric
        new, old = figures.get(metric), self.figures.get(metric)
        if new is None or old is None:
            return new is not None
        if new == old:
            metric = "loss"
            new, old = figures["loss"], self.figures["loss"]
        return new is not None and old is not None and is_better(metric, new, old)

    def restore(self, model: nn.Module) -> None:
        """Put the best weights back."""
        if self.weights:
            model.load_state_dict(self.weights)


class Judge(Callback):
    """Measure each epoch on the valid part, keep the best, write the history, stop early, and say what happens."""

    order = 60

    def __init__(
        self,
        model: nn.Module,
        best: Best,
        stage: str,
        epochs: int,
        measure: Callable[[NDArray[np.float32], NDArray[np.int64]], dict[str, float | None]],
        history: list[dict[str, float | int | str]],
        listener: Listener,
        early_stop: int | None,
    ) -> None:
        self.whole, self.best, self.stage, self.epochs = model, best, stage, epochs
        self.measure, self.history, self.listener, self.early_stop = measure, history, listener, early_stop
        self.task = f"stage {stage}"
        self.stale = 0
        self.joined, self.awaits = "", False

    def hear_of(self, joined: str, awaits: bool) -> None:
        """Be told what trains from this epoch on, and whether more is to join: patience starts anew with the last."""
        self.joined, self.awaits, self.stale = joined, awaits, 0

    def before_fit(self) -> None:
        """Open the progress bar."""
        self.listener.start(self.task, self.epochs * len(self.dls.train), "batches")

    def before_epoch(self) -> None:
        """Start the epoch's clock."""
        self.began = time.perf_counter()
        self.losses: list[float] = []

    def before_validate(self) -> None:
        """Start collecting predictions."""
        self.predictions: list[Tensor] = []
        self.targets: list[Tensor] = []

    def after_batch(self) -> None:
        """Collect what the batch gave."""
        if self.training:
            self.losses.append(self.learn.loss.item())
            self.listener.advance(self.task, 1, {"loss": float(self.learn.smooth_loss)})
        else:
            self.predictions.append(self.learn.pred.detach().float().softmax(1).cpu())
            self.targets.append(self.learn.y.detach().cpu())

    def after_epoch(self) -> None:
        """Judge the epoch."""
        probabilities = torch.cat(self.predictions).numpy()
        figures = self.measure(probabilities, torch.cat(self.targets).numpy())
        kept = self.best.offer(self.whole, self.stage, self.learn.epoch + 1, figures, probabilities)
        self.stale = 0 if kept else self.stale + 1
        name = self.best.metric
        row: dict[str, float | int | str] = {
            "stage": self.stage,
            "epoch": self.learn.epoch + 1,
            "epochs": self.epochs,
            "train_loss": float(np.mean(self.losses)) if self.losses else float("nan"),
            "valid_loss": figures["loss"] if figures["loss"] is not None else float("nan"),
            **{key: value for key, value in figures.items() if key != "loss" and value is not None},
            "seconds": round(time.perf_counter() - self.began, 3),
            "best": "yes" if kept else "",
            **({"joined": self.joined} if self.joined else {}),
        }
        self.history.append(row)
        self.listener.epoch({**row, "metric": name})
        if self.joined:
            before, after = self.history[-2]["accuracy"], row["accuracy"]
            self.listener.note(f"joined: {self.joined}; accuracy {before:.3f} before, {after:.3f} after an epoch of it")
            self.joined = ""
        if self.early_stop is not None and self.stale >= self.early_stop and not self.awaits:
            raise CancelFitException

    def after_fit(self) -> None:
        """Close the progress bar."""
        self.listener.finish(self.task)

    def after_cancel_fit(self) -> None:
        """Close the progress bar of a stage that ended early."""
        self.listener.finish(self.task)


def measure_with(classes: Sequence[str], ordered: bool) -> Callable[..., dict[str, float | None]]:
    """Return the function that measures an epoch's figures for these classes."""

    def measure(probabilities: NDArray[np.float32], targets: NDArray[np.int64]) -> dict[str, float | None]:
        return measure_figures(probabilities, targets, classes, ordered)

    return measure


def copy_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a model's weights, to go back to."""
    return copy.deepcopy(model.state_dict())
