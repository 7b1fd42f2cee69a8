"""Parts of the network that join within a training stage: new parameter groups, each with its own schedule.

Gradual unfreezing (Howard & Ruder 2018, arXiv:1801.06146) within one run of fastai's `fit`. The stage's frozen prefix
is cut before the earliest part that will join, so that its cached features hold for all epochs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler
from fastai.learner import Learner
from fastcore.foundation import L
from torch import nn

from sightx_cli.model.parameter_groups import Group
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.train.callbacks import FrozenStaysFrozen
from sightx_cli.train.judge import Judge
from sightx_cli.train.schedules import Course, build_course, build_momentum


def add_param_group(optimizer: Any, parameters: Iterable[nn.Parameter], rate: float) -> None:
    """Add parameters to a fastai `Optimizer` as a new group, like torch's method of that name.

    The group starts without moments, with the other hyperparameters of the last group. What the learner set for biases
    and norms when it built the optimizer (no weight decay) applies to them too.
    """
    joined = list(parameters)
    known = {id(parameter) for group in optimizer.param_lists for parameter in group}
    if any(id(parameter) in known for parameter in joined):
        raise ValueError("some of these parameters are in the optimizer already")
    optimizer.param_lists.append(L(joined))
    optimizer.hypers.append({**optimizer.hypers[-1], "lr": rate})
    for parameter in joined:
        parameter.requires_grad_(True)


@dataclass(frozen=True)
class Segment:
    """The schedule of groups that start together: from `start`, a fraction of the stage, to the stage's end."""

    start: float
    groups: int
    rates: Course
    momentum: Course | None

    def place(self, done: float) -> float:
        """Return the fraction of the segment done at this fraction of the stage."""
        return min(max((done - self.start) / (1.0 - self.start), 0.0), 1.0)


class JoiningSchedule(ParamScheduler):
    """Schedules the groups that the optimizer has so far, each over the epochs that it trains in."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self.segments = segments
        courses = {"lr": self._find_rates}
        super().__init__(courses if segments[0].momentum is None else {**courses, "mom": self._find_momenta})

    def _running(self) -> Iterable[Segment]:
        groups = 0
        for segment in self.segments:
            if groups < len(self.opt.hypers):
                groups += segment.groups
                yield segment

    def _find_rates(self, done: float) -> list[float]:
        return [float(rate) for segment in self._running() for rate in segment.rates(segment.place(done))]

    def _find_momenta(self, done: float) -> list[float]:
        found = []
        for segment in self._running():
            assert segment.momentum is not None
            found += [float(segment.momentum(segment.place(done)))] * segment.groups
        return found


class Join(Callback):
    """Adds joining groups to the optimizer at the start of their epoch, and tells the judge."""

    order = 4  # before FrozenStaysFrozen sets the modes of the epoch

    def __init__(self, joining: Sequence[tuple[Group, float]], judge: Judge | None = None) -> None:
        self.joining, self.judge = joining, judge

    def before_fit(self) -> None:
        """Let the judge stop the stage early only once every group has joined."""
        if self.judge is not None:
            self.judge.awaits = True

    def before_epoch(self) -> None:
        """Add the groups that join after this many epochs."""
        now = [(group, rate) for group, rate in self.joining if group.joins_after == self.learn.epoch]
        for group, rate in now:
            add_param_group(self.learn.opt, group.parameters, rate)
            for callback in self.learn.cbs:
                if isinstance(callback, FrozenStaysFrozen):
                    callback.thaw(group.parameters)
        if now and self.judge is not None:
            joined = ", ".join(f"{group.name.partition(' (')[0]} at {rate:.1e}" for group, rate in now)
            self.judge.hear_of(joined, any(group.joins_after > self.learn.epoch for group, _ in self.joining))


def fit_joining(
    learner: Learner,
    stage: TrainingStage,
    groups: Sequence[Group],
    rates: Sequence[float],
    schedule: str,
    warmup_epochs: int,
    callbacks: Sequence[Any],
) -> None:
    """Fit a stage in which groups join: `groups` are the learner's, those that join last, each with its rate.

    A group that joins runs through the recipe's schedule in the remaining epochs.
    """
    segments = []
    for after in sorted({group.joins_after for group in groups}):
        mine = np.array([rate for group, rate in zip(groups, rates, strict=True) if group.joins_after == after])
        left = stage.epochs - after
        course = build_course(schedule, mine, warmup_epochs / left)
        momentum = build_momentum(schedule, learner.moms)
        segments.append(Segment(after / stage.epochs, len(mine), course, momentum))
    joining = [(group, rate) for group, rate in zip(groups, rates, strict=True) if group.joins_after]
    judge = next((callback for callback in callbacks if isinstance(callback, Judge)), None)
    beginning = np.array([rate for group, rate in zip(groups, rates, strict=True) if not group.joins_after])
    learner.fit(stage.epochs, lr=beginning, cbs=[JoiningSchedule(segments), Join(joining, judge), *callbacks])
