"""Judges each epoch on the valid part: keeps the best, writes the history, ends a stage early."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from fastai.callback.core import Callback, CancelFitException
from numpy.typing import NDArray
from torch import Tensor, nn

from sightx_cli.processes import ALONE, Processes
from sightx_cli.progress import Listener
from sightx_cli.task.task import Task
from sightx_cli.train.best_epoch import Best, list_figures
from sightx_cli.train.stage_trial import Outcome, StageTrial
from sightx_cli.train.step_losses import read_losses
from sightx_cli.train.weight_average import WeightAverage


class Judge(Callback):
    """Measure each epoch on the valid part, keep the best, write the history, stop early, and say what happens.

    fastai's `EarlyStoppingCallback` prints, forgets the best between stages, and does not break ties by loss:
    patience here is counted against the best epoch of all stages, and restarts when groups join.
    """

    order = 60

    def __init__(
        self,
        model: nn.Module,
        best: Best,
        stage: str,
        epochs: int,
        task: Task,
        history: list[dict[str, float | int | str]],
        listener: Listener,
        early_stop: int | None,
        keep: Callable[[Judge, bool], None] | None = None,
        is_unequal: bool = False,
        average: WeightAverage | None = None,
        trial: StageTrial | None = None,
        look_every: int = 1,
        processes: Processes = ALONE,
    ) -> None:
        self.look_every = look_every
        """After how many steps their loss is shown (see `step_losses`)."""
        self.processes = processes
        """Those that train together: each sees a part of the valid images, and all judge by the whole."""
        self.average, self.trial = average, trial
        """What gives the model the weights to judge, and what ends a stage that does not pay; None where nothing."""
        self.is_unequal = is_unequal
        """Whether classes of the train part are very unequal (`Task.is_unequal`)."""
        self.keep = keep
        """Keeps the epoch in the run's journal; its second argument says whether the stage ends with it."""
        self.first = 0
        """The epoch that the stage goes on from, where an earlier process trained those before."""
        self.whole, self.best, self.stage, self.epochs = model, best, stage, epochs
        self.task, self.history, self.listener, self.early_stop = task, history, listener, early_stop
        self.activation = task.build_activation()
        self.work = f"stage {stage}"
        self.stale = 0
        self.joined, self.awaits = "", False

    def hear_of(self, joined: str, awaits: bool) -> None:
        """Note what trains from this epoch on, and whether more will join: patience restarts with the last."""
        self.joined, self.awaits, self.stale = joined, awaits, 0

    def before_fit(self) -> None:
        """Open the progress bar."""
        self.listener.start(self.work, self.epochs * len(self.dls.train), "batches")
        self.listener.advance(self.work, self.first * len(self.dls.train))

    def before_epoch(self) -> None:
        """Start the epoch's clock."""
        self.began = time.perf_counter()
        self.losses: list[Tensor] = []

    def before_validate(self) -> None:
        """Start collecting predictions."""
        self.predictions: list[Tensor] = []
        self.targets: list[Tensor] = []

    def after_batch(self) -> None:
        """Collect the batch's predictions, on the device that computes them."""
        if self.training:
            self.losses.append(self.learn.loss.detach())
            is_shown = len(self.losses) % self.look_every == 0
            self.listener.advance(self.work, 1, {"loss": float(self.learn.smooth_loss)} if is_shown else None)
        else:
            self.predictions.append(self.activation(self.learn.pred.detach().float()))
            self.targets.append(self.learn.y.detach())

    def after_epoch(self) -> None:
        """Judge the epoch, and keep it."""
        if self.learn.epoch < self.first:
            return
        probabilities, targets = self.join_predictions()
        figures = self.task.measure_epoch(probabilities, targets, self.best.metric)
        evened = self.task.measure_evened_loss(probabilities, targets) if self.is_unequal else None
        figures, evened = self.processes.share((figures, evened))  # all decide the same, on any hardware
        outcome = Outcome.PAYS if self.trial is None else self.trial.judge(self.learn)
        # Weights of a stage that does not pay are no candidates: the validation images would choose them by chance.
        kept = outcome is Outcome.PAYS and self.best.offer(
            self.whole, self.stage, self.learn.epoch + 1, figures, probabilities, evened
        )
        if self.average is not None:
            self.average.put_back()
        self.stale = 0 if kept or outcome is Outcome.OPEN else self.stale + 1
        name = self.best.metric
        losses = read_losses(self.losses)
        row: dict[str, float | int | str] = {
            "stage": self.stage,
            "epoch": self.learn.epoch + 1,
            "epochs": self.epochs,
            "train_loss": float(np.mean(losses)) if losses else float("nan"),
            **list_figures(figures),
            "seconds": round(time.perf_counter() - self.began, 3),
            "best": "yes" if kept else "",
            **({"joined": self.joined} if self.joined else {}),
        }
        self.history.append(row)
        self.listener.epoch({**row, "metric": name})
        if self.joined:
            first = self.task.headline
            before, after = self.history[-2][first.name], row[first.name]
            self.listener.note(
                f"joined: {self.joined}; {first.title} {before:.3f} before, {after:.3f} after one epoch of it"
            )
            self.joined = ""
        stops = self.early_stop is not None and self.stale >= self.early_stop and not self.awaits
        stops = stops or outcome is Outcome.ENDS
        if self.keep is not None and outcome is not Outcome.OPEN:  # a trial begins again, or is over
            self.keep(self, stops or self.learn.epoch + 1 == self.epochs)
        if stops:
            raise CancelFitException

    def join_predictions(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return the probabilities (N, C) of the whole valid part, and its targets."""
        if self.processes.is_alone:
            return torch.cat(self.predictions).cpu().numpy(), torch.cat(self.targets).cpu().numpy()
        answered = zip(self.predictions, self.targets, strict=True)
        parts = self.processes.gather([(given.cpu().numpy(), wanted.cpu().numpy()) for given, wanted in answered])
        batches = [batch for part in parts for batch in part]  # a process may have had none
        probabilities, targets = (np.concatenate(each) for each in zip(*batches, strict=True))
        return probabilities, targets

    def after_fit(self) -> None:
        """Close the progress bar."""
        self.listener.finish(self.work)

    def after_cancel_fit(self) -> None:
        """Close the progress bar of a stage that ended early."""
        self.listener.finish(self.work)
