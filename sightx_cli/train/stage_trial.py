"""Whether a stage that trains layers of the network pays, judged on training images before most of its time is spent.

On features of a good network a solved head is often the best that a few thousand images allow. So a stage's first epoch
leaves a fifth of the training images out, and starts from a head that was solved without them: if the log loss of these
falls (of grades that kappa judges: their squared distance), the other epochs train on all images; if it rises, the
stage ends there. Where it rose by little, up to half of the epochs decide: high rates gain late. The validation images
have no part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sightx_cli.features.prefix import FitFeatures
from sightx_cli.metrics.registry import LOSS
from sightx_cli.model.head import set_linear_solution
from sightx_cli.probe.linear_head import LinearSolution, calm_threads, list_splits, solve_linear_head
from sightx_cli.progress import Notice
from sightx_cli.recipe.stage_titles import describe_stage
from sightx_cli.task.judged_losses import measure_judged_losses, name_judged
from sightx_cli.task.stratification import number_together
from sightx_cli.task.task import Task
from sightx_cli.train.loaders import CachedLoader

if TYPE_CHECKING:
    from sightx_cli.train.state import Session

TRIAL_FOLDS = 5
"""One fold of so many is left out of the first epoch."""

FEWEST_LEFT_OUT = 100
"""Fewer images, or groups, cannot tell: their stage trains as the recipe says. Of 53 retina photographs left out the
squared distance of grades rose by 0.23 ± 0.17 in the trial of a stage that brought 0.81 → 0.87 of kappa."""

NOISE_ERRORS = 2.0
"""A share of mistakes within so many standard errors of 0, a perfect network's, leaves nothing to gain that could be
told from chance: four mistakes or fewer."""

HARM_ERRORS, ALLOWED_ERRORS = 3.0, 2.0
"""Losses that rose by so many standard errors end the stage at once; at the end of its trial, by so many. The
rates are highest in the trial: of retina grades the loss rose by 0.15 and 0.08 in the first of six epochs, and was
lower than the solved head's after the last, in three folds of three (kappa 0.80 and 0.85)."""

LARGEST_TRIAL = 0.5
"""The share of a stage's epochs that its trial may take: the others learn from all images."""


class Outcome(Enum):
    """What an epoch of a trial says of its stage."""

    PAYS = "it goes on, on all images"
    OPEN = "one more epoch decides"
    ENDS = "it ends"


@dataclass(frozen=True)
class LeftOut:
    """The training images that a stage's first epoch leaves out, and what the head solved without them says of them."""

    rows: NDArray[np.int64]
    """Their positions among the training images, (N,)."""
    targets: NDArray[np.int64]
    units: NDArray[np.int64]
    """Each one's group, numbered: images of one group are no independent evidence."""
    weights: NDArray[np.float64]
    """What each counts, (N,): every class the same where the recipe makes it so."""
    losses: NDArray[np.float64]
    """What is held against each by the head solved on the other images (see `task.judged_losses`), (N,)."""
    mistakes: NDArray[np.float64]
    """1 for each that this head decides wrongly, else 0, (N,)."""
    head: LinearSolution

    @property
    def loss(self) -> float:
        """The mean of their losses by the solved head."""
        return float(np.average(self.losses, weights=self.weights))

    @property
    def is_perfect(self) -> bool:
        """Whether the head cannot be told from a perfect network by them."""
        share = float(np.average(self.mistakes, weights=self.weights))
        return bool(share <= NOISE_ERRORS * self.measure_error(self.mistakes))

    def measure_error(self, values: NDArray[np.float64]) -> float:
        """Measure the standard error of the weighted mean of values (N,), by groups."""
        weights = self.weights / self.weights.sum()
        sums = np.bincount(self.units, weights * (values - np.average(values, weights=self.weights)))
        return float(np.sqrt((sums**2).sum()))


def choose_left_out(
    features: FitFeatures,
    targets: NDArray[np.int64],
    together: Sequence[str],
    task: Task,
    balanced: bool,
    metric: str = LOSS.name,
) -> LeftOut | None:
    """Choose which training images the first epoch leaves out, and solve a head on the others.

    `metric` is what chooses the fit's best epoch; `together` names each image's group. None where there are too few
    images or groups to tell.
    """
    splits = list_splits(task.find_strata(targets), together, 0, TRIAL_FOLDS)
    if len(splits) < TRIAL_FOLDS:
        return None
    learned, rows = splits[0]
    units = np.unique(number_together([together[row] for row in rows.tolist()]), return_inverse=True)[1]
    if int(units.max()) + 1 < FEWEST_LEFT_OUT:
        return None
    views = features.read_views(learned)
    count = len(views)
    with calm_threads(len(learned) * count):
        head = solve_linear_head(
            views[0] if count == 1 else np.concatenate(views),
            np.concatenate([targets[learned]] * count),
            task,
            balanced,
            [together[row] for row in learned.tolist()] * count,
            views=count,
            overwrite=True,
        )
    plain = features.train_views[0].take(positions=rows).astype(np.float32, copy=False)
    probabilities = head.predict(plain)
    losses = measure_judged_losses(task, metric, probabilities, targets[rows])
    wrong = (task.decide(probabilities) != targets[rows]).reshape(len(rows), -1).any(axis=1)
    weights = task.weigh_images(targets[rows]) if balanced else np.ones(len(rows))
    return LeftOut(rows, targets[rows], units, weights, losses, wrong.astype(np.float64), head)


class StageTrial:
    """The trial of one stage: its first epochs without the images left out, from the head solved without them."""

    def __init__(self, left_out: LeftOut, task: Task, title: str, session: Session) -> None:
        self.left_out, self.task, self.session = left_out, task, session
        self.stage = describe_stage(title, True).removeprefix("stage: ")
        self._plain: CachedLoader | None = None

    def begin(self, learner: Any, head: nn.Sequential, offsets: NDArray[np.float32] | None) -> None:
        """Leave the images out of a learner's loader, and give its head what was solved without them.

        `offsets` (C,) are those that its loss takes off the logits again; None for none.
        """
        loader = learner.dls.train
        loader.left_out = self.left_out.rows
        self._plain = CachedLoader(
            loader.views[:1], loader.names, loader.targets, learner.dls.valid.bs, False, loader.device
        )
        solved = self.left_out.head
        bias = solved.bias - (0.0 if solved.offsets is None else solved.offsets)
        bias = bias + (0.0 if offsets is None else offsets)
        tensors = (solved.weight, bias.astype(np.float32), solved.mean, solved.deviation)
        set_linear_solution(head, *(torch.from_numpy(part) for part in tensors))

    def judge(self, learner: Any) -> Outcome:
        """Judge the learner's model after an epoch, and say what came out; PAYS once the trial is over."""
        if self._plain is None:
            return Outcome.PAYS
        losses = self._join_losses(learner)
        gains = self.left_out.losses - losses
        gain = float(np.average(gains, weights=self.left_out.weights))
        error, images, epochs = self.left_out.measure_error(gains), len(losses), learner.epoch + 1
        trial = "first epoch" if epochs == 1 else f"first {epochs} epochs"
        figure = (
            f"the {name_judged(self.session.metric)} of {images:,} training images left out of its {trial} "
            f"{'fell' if gain > 0 else 'rose'} by {abs(gain):.3f} ± {error:.3f} from the solved head's "
            f"{self.left_out.loss:.3f}"
        )
        is_last = epochs + 1 > LARGEST_TRIAL * learner.n_epoch
        pays = gain > (-ALLOWED_ERRORS * error if is_last else 0.0)
        if not pays and not is_last and gain > -HARM_ERRORS * error:
            self.session.listener.note(f"{self.stage}: {figure}: {Outcome.OPEN.value}")
            return Outcome.OPEN
        self._plain = None
        learner.dls.train.readmit(epochs)
        if pays:
            self.session.listener.note(f"{self.stage}: {figure}: {Outcome.PAYS.value}")
            return Outcome.PAYS
        said = f"{self.stage}: ended after its {trial}, since {figure}. --full trains it all the same"
        self.session.notice(Notice("stage-ended", said, images))
        return Outcome.ENDS

    def describe_skip(self) -> Notice:
        """Say why the stage is not begun."""
        left_out = self.left_out
        said = (
            f"{self.stage}: not trained, since it could not gain more than chance: of {len(left_out.rows):,} training "
            f"images a head solved without them gets {int(left_out.mistakes.sum())} wrong. --full trains it all the "
            "same"
        )
        return Notice("stage-skipped", said, len(left_out.rows))

    def _join_losses(self, learner: Any) -> NDArray[np.float64]:
        """Measure the losses of all images left out, those of each process on its part of them."""
        processes = self.session.processes
        part = processes.cut_span(len(self.left_out.rows))
        measured = self._measure_losses(learner, self.left_out.rows[part], self.left_out.targets[part])
        return processes.join_rows(measured)

    @torch.no_grad()
    def _measure_losses(self, learner: Any, rows: NDArray[np.int64], targets: NDArray[np.int64]) -> NDArray[np.float64]:
        assert self._plain is not None
        activation, found = self.task.build_activation(), []
        for start in range(0, len(rows), self._plain.bs):
            inputs = self._plain.gather(rows[start : start + self._plain.bs], 0)
            logits = learner.model(*(one.to(learner.dls.device) for one in inputs))
            found.append(activation(logits).float())
        if not found:
            return np.empty(0)
        return measure_judged_losses(self.task, self.session.metric, torch.cat(found).cpu().numpy(), targets)
