"""What the steps of a stage have on a GPU and not on the CPU: the batch that suits it, compiled steps, spare memory."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from fastai.callback.core import Callback

from sightx_cli.engine.interface import Precision
from sightx_cli.engine.torch_forward import measure_free, wait_for
from sightx_cli.recipe.parts import TrainingStage
from sightx_cli.recipe.plan import PlanValue
from sightx_cli.train.batch_search import BatchChoice, StepTrials, build_inputs, find_train_batch
from sightx_cli.train.captured_steps import CapturedSteps, capture_steps
from sightx_cli.train.compiled_steps import CompiledSteps, build_compiler, find_lack
from sightx_cli.train.loaders import CachedLoader
from sightx_cli.train.scaled_gradients import ScaledGradients
from sightx_cli.train.short_memory import ShortMemory, is_one_of_many
from sightx_cli.train.state import Session
from sightx_cli.train.step_forward import StepForward, WholeBatches


def list_device_callbacks(
    session: Session, stage: TrainingStage, steps: StepForward, precision: Precision, learner: Any
) -> list[Callback]:
    """List the callbacks of a learner on a GPU."""
    if not session.is_on_gpu:
        return []
    device = session.device
    callbacks: list[Callback] = [WholeBatches(steps, session.processes.count), ShortMemory(steps, session.notice)]
    if precision == "float16":
        callbacks.append(ScaledGradients(device.type))
    if device.type != "cuda" or is_one_of_many():
        return callbacks

    def tell(text: str) -> None:
        session.listener.note(f"stage {stage.title}: {text}")

    def tell_compiled(text: str) -> None:
        tell(text)
        is_compiled = steps.compiled is not None
        session.settled[name_value(stage, "compiled")] = PlanValue(is_compiled, "probe", text)

    # The memory of a graph's gradients is its own, and those of the other optimizers outlive a step.
    drops_gradients = session.recipe.training.optimizer == "adamw"
    if drops_gradients:
        build = partial(build_inputs, list_shapes(session, learner), device)
        callbacks.append(CapturedSteps(steps, build, tell, capture_steps))
    if not find_lack(device):
        compiler = build_compiler(drops_gradients)
        callbacks.append(CompiledSteps(steps, tell_compiled, partial(wait_for, device), compiler))
    return callbacks


def settle_batch(
    session: Session, stage: TrainingStage, learner: Any, known: int | None, free_bytes: int | None = None
) -> BatchChoice:
    """Choose the batch of a stage, and have the learner's loaders give it.

    `known` is what it was in the process that this one goes on from. `free_bytes` of memory may be taken (None: what
    the GPU has free). Of several processes none measures for itself.
    """
    training = session.recipe.training
    choice = BatchChoice(known or training.batch, training.batch, training.optimizer)
    if known is None and session.is_on_gpu and not session.is_batch_given and not is_one_of_many():
        free = measure_free(session.device) if free_bytes is None else free_bytes
        targets = torch.from_numpy(session.train.targets)
        trials = StepTrials(learner, list_shapes(session, learner), targets, session.device)
        choice = find_train_batch(training.batch, training.optimizer, len(session.train), free, trials.run)
        if choice.batch != training.batch:
            notice = choice.describe(stage.title)
            session.notice(notice)
            session.settled[name_value(stage, "batch")] = PlanValue(choice.batch, "probe", notice.text)
    if choice.batch != training.batch:
        # Not twice as many to judge by, as elsewhere: they are judged in float32, and must fit too.
        learner.dls.train.bs = learner.dls.valid.bs = choice.batch
    return choice


def list_shapes(session: Session, learner: Any) -> list[tuple[int, ...]]:
    """List the shapes of what a learner reads of one image: cached maps and taps, or pixels."""
    loader = learner.dls.train
    if isinstance(loader, CachedLoader):
        return [loader.views[0].columns[name].shape for name in loader.names]
    return [(3, session.view.size_px, session.view.size_px)]


def name_value(stage: TrainingStage, what: str) -> str:
    """Name the plan's value of a stage."""
    return f"steps.{what} ({stage.title})"
