"""Run a recipe's training stages, one after the other, each from the best weights so far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastai.callback.schedule import ParamScheduler
from fastai.learner import Learner

from sightx_cli.model.parameter_groups import Group, stage_rates
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.startup.allocator import keeping_memory
from sightx_cli.train.joins import fit_joining
from sightx_cli.train.judge import Judge
from sightx_cli.train.keeper import StageKeeper
from sightx_cli.train.learners import building_learner
from sightx_cli.train.schedules import build_warm_cosine
from sightx_cli.train.state import Session


def run_stage(
    session: Session, stage: TrainingStage, rate_factor: float = 1.0, keeper: StageKeeper | None = None
) -> None:
    """Train one stage of the recipe; the model ends with the best weights so far, over all stages.

    `rate_factor` scales the stage's rates (`--rate`). `keeper` keeps every epoch in the run's journal, and goes on with
    a stage that an earlier process began. Raises TrainingError when the loss is no longer finite.
    """
    name = f"stage {stage.title}"
    before = session.seconds.get(name, 0.0)  # of an earlier stage of this title, or of an earlier process
    began = time.perf_counter()
    with keeping_memory(), building_learner(session, stage) as (learner, groups):
        rates = [rate_factor * rate for rate in stage_rates(stage, groups)]
        training = session.recipe.training
        judge = Judge(
            session.model,
            session.best,
            stage.title,
            stage.epochs,
            session.task,
            session.history,
            session.listener,
            training.early_stop,
            keeper.keep if keeper is not None else None,
            session.is_unequal,
        )
        callbacks = [judge, *(keeper.restore(judge) if keeper is not None else ())]
        try:
            fit_stage(learner, stage, groups, rates, training.schedule, training.warmup_epochs, callbacks)
        finally:
            session.listener.finish(judge.work)
            session.best.restore(session.model)
            session.seconds[name] = before + time.perf_counter() - began


def fit_stage(
    learner: Learner,
    stage: TrainingStage,
    groups: Sequence[Group],
    rates: Sequence[float],
    schedule: str,
    warmup_epochs: int,
    callbacks: Sequence[Any],
) -> None:
    """Fit with a rate per group under the recipe's schedule: one-cycle, cosine (with warm-up), or flat."""
    with learner.no_bar(), learner.no_logging():
        if stage.join:
            fit_joining(learner, stage, groups, rates, schedule, warmup_epochs, callbacks)
            return
        if schedule == "one-cycle":
            learner.fit_one_cycle(stage.epochs, lr_max=np.array(rates), cbs=list(callbacks))
            return
        if schedule == "cosine":
            share = warmup_epochs / stage.epochs
            course = {"lr": build_warm_cosine(np.array(rates), share)}
            learner.fit(stage.epochs, lr=np.array(rates), cbs=[ParamScheduler(course), *callbacks])
        else:
            learner.fit(stage.epochs, lr=np.array(rates), cbs=list(callbacks))
