"""Run a recipe's training stages, one after the other, each from the best weights so far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastai.callback.schedule import ParamScheduler
from fastai.learner import Learner

from sightx_cli.model.parameter_groups import HEAD, Group, build_stage_groups, find_cut, stage_rates
from sightx_cli.processes import noticing_loss
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.startup.allocator import keeping_memory
from sightx_cli.train.device_steps import settle_batch
from sightx_cli.train.joins import fit_joining
from sightx_cli.train.judge import Judge
from sightx_cli.train.learners import building_learner
from sightx_cli.train.loaders import CachedLoader
from sightx_cli.train.mixed_images import MixedImages
from sightx_cli.train.random_states import join_random_states
from sightx_cli.train.schedules import build_warm_cosine
from sightx_cli.train.stage_keeper import StageKeeper
from sightx_cli.train.stage_trial import StageTrial, choose_left_out
from sightx_cli.train.state import Session
from sightx_cli.train.weight_average import WeightAverage


def run_stage(
    session: Session, stage: TrainingStage, rate_factor: float = 1.0, keeper: StageKeeper | None = None
) -> None:
    """Train one stage of the recipe; the model ends with the best weights so far, over all stages.

    `rate_factor` scales the stage's rates (`--rate`). `keeper` keeps every epoch in the run's journal, and goes on with
    a stage that an earlier process began. Raises TrainingError when the loss is no longer finite.
    """
    join_random_states(session.processes)
    trial = None
    if keeper is None or not keeper.is_begun:
        trial = open_trial(session, stage)
        if trial is not None and trial.left_out.is_perfect:
            session.notice(trial.describe_skip())
            return
    name = f"stage {stage.title}"
    before = session.seconds.get(name, 0.0)  # of an earlier stage of this title, or of an earlier process
    began = time.perf_counter()
    with keeping_memory(), building_learner(session, stage) as (learner, groups):
        chosen = settle_batch(session, stage, learner, keeper.find_batch() if keeper is not None else None)
        rates = [rate_factor * chosen.rate_factor * rate for rate in stage_rates(stage, groups)]
        training = session.recipe.training
        trains_layers = any(group.trained and group.name != HEAD for group in groups)
        # Over as many images, whatever the batch (Busbridge et al. 2023, arXiv:2307.13813).
        kept_share = training.weight_average**chosen.times
        average = WeightAverage(kept_share) if training.weight_average and trains_layers else None
        if trial is not None and isinstance(learner.dls.train, CachedLoader):
            trial.begin(learner, session.head, session.offsets)
        judge = Judge(
            session.model,
            session.best,
            stage.title,
            stage.epochs,
            session.task,
            session.history,
            session.listener,
            training.early_stop,
            keeper.keep if keeper is not None and session.processes.is_first else None,
            session.is_unequal,
            average,
            trial,
            session.look_every,
            processes=session.processes,
        )
        callbacks = [judge, *(keeper.restore(judge) if keeper is not None else ())]
        if average is not None:
            callbacks.append(average)
        if trains_layers and (training.mixup or training.cutmix):
            callbacks.append(MixedImages(training.mixup, training.cutmix))
        if not session.processes.is_alone:
            from sightx_cli.train.distribution import list_distribution

            callbacks += list_distribution(session)
        try:
            with noticing_loss():
                fit_stage(learner, stage, groups, rates, training.schedule, training.warmup_epochs, callbacks)
        finally:
            session.listener.finish(judge.work)
            session.best.restore(session.model)
            session.seconds[name] = before + time.perf_counter() - began


def open_trial(session: Session, stage: TrainingStage) -> StageTrial | None:
    """Open the trial of a stage that is the first to train layers of a pretrained network; None for any other stage.

    None too where every stage is to be trained in full, where its layers run on images instead of cached features, or
    where there are too few images to tell.
    """
    features, backbone = session.kept, session.backbone
    if not session.is_judged or not session.is_solved or features is None or session.best.backbone_trained:
        return None
    groups = build_stage_groups(backbone, session.head, stage)
    cut = find_cut(backbone, groups)
    if cut == len(backbone.stages) or not any(one <= cut for one in features.cuts):
        return None
    together = list(session.groups_of_train or session.train.digests)
    balanced = session.recipe.training.class_weights == "balanced"
    processes, left_out = session.processes, None
    if processes.is_first:
        left_out = choose_left_out(features, session.train.targets, together, session.task, balanced, session.metric)
    left_out = processes.share(left_out)
    return None if left_out is None else StageTrial(left_out, session.task, stage.title, session)


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
