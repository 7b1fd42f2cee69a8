"""The batch of a GPU: as large as fits and is tried, with the rates that suit it; said, and kept for who goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sightx_cli.progress import Recorder
from sightx_cli.train.batch_search import BatchChoice, StepTrials, TriedBatch, find_train_batch
from sightx_cli.train.device_steps import list_shapes, settle_batch
from sightx_cli.train.learners import building_learner
from sightx_cli.train.scaled_gradients import ScaledGradients
from sightx_cli.train.short_memory import ShortMemory
from sightx_cli.train.stage_keeper import StageKeeper
from sightx_cli.train.stage_runs import run_stage
from sightx_cli.train.state import Session

Open = Callable[..., tuple[Any, Session]]
MANY = 10**6
TUNED = ('stage=[{train="last:1",epochs=1,rate=1e-3}]', "training.batch=1")


class Gpu:
    """A GPU that holds `room` images at once, each of which takes a byte."""

    def __init__(self, room: int = MANY) -> None:
        self.room, self.tried = room, list[int]()

    def try_batch(self, images: int) -> TriedBatch:
        self.tried.append(images)
        if images > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return TriedBatch(images, 4000.0, images)


@pytest.mark.parametrize(
    ("images", "free_bytes", "room", "tried", "batch", "limit"),
    [
        (MANY, None, MANY, [256], 256, "8 times"),
        (MANY, 150, MANY, [256, 128, 64], 64, "memory"),
        (MANY, None, 100, [256, 128, 64], 64, "memory"),
        (20 * 128, None, MANY, [128], 128, "20 steps"),
        (20 * 128 - 1, None, MANY, [64], 64, "20 steps"),
        (20 * 64 - 1, None, MANY, [], 32, ""),
        (MANY, None, 16, [256, 128, 64], 32, ""),
    ],
)
def test_the_largest_batch_that_fits_is_taken_and_none_is_tried_in_vain(
    images: int, free_bytes: int | None, room: int, tried: list[int], batch: int, limit: str
) -> None:
    gpu = Gpu(room)
    choice = find_train_batch(32, "adamw", images, free_bytes, gpu.try_batch)
    assert choice.batch == batch
    assert gpu.tried == tried
    assert limit in choice.limit


@pytest.mark.parametrize(("optimizer", "factor"), [("adamw", 2.0), ("adam", 2.0), ("sgd", 4.0)])
def test_the_rates_follow_the_batch_by_the_rule_of_the_optimizer(optimizer: str, factor: float) -> None:
    assert BatchChoice(128, 32, optimizer).rate_factor == factor
    assert BatchChoice(32, 32, optimizer).rate_factor == 1.0


def test_what_was_chosen_is_said_with_what_to_type() -> None:
    choice = find_train_batch(32, "adamw", 20 * 128, None, Gpu().try_batch)
    assert choice.describe("last 2 stages").text == (
        "stage last 2 stages: 128 images a step in place of the recipe's 32, 4,000 images/s "
        "(20 steps an epoch at least); rates × 2.00, by the square root. --set training.batch=32 keeps the recipe's"
    )


@pytest.mark.parametrize("keeps", [True, False], ids=["cached features", "images"])
def test_trying_batches_changes_nothing_of_the_model(open_session: Open, keeps: bool) -> None:
    preparation, session = open_session(*TUNED)
    session.kept = session.kept if keeps else None
    with building_learner(session, preparation.recipe.stage[0]) as (learner, _):
        before = {name: one.clone() for name, one in learner.model.state_dict().items()}
        random = torch.get_rng_state()
        targets = torch.from_numpy(session.train.targets)
        trials = StepTrials(learner, list_shapes(session, learner), targets, session.device)
        assert trials.run(3).rate > 0
        assert all(torch.equal(one, before[name]) for name, one in learner.model.state_dict().items())
        assert all(parameter.grad is None for parameter in learner.model.parameters())
        assert torch.equal(torch.get_rng_state(), random)


def test_a_gpu_settles_the_batch_and_says_so(open_session: Open) -> None:
    """What a GPU does, on the CPU: 57 images are 20 steps of two."""
    preparation, session = open_session(*TUNED)
    session.is_on_gpu, session.is_batch_given, session.listener = True, False, Recorder()
    stage = preparation.recipe.stage[0]
    with building_learner(session, stage) as (learner, _):
        assert any(isinstance(callback, ShortMemory) for callback in learner.cbs)
        assert not any(isinstance(callback, ScaledGradients) for callback in learner.cbs)
        choice = settle_batch(session, stage, learner, None, free_bytes=10**12)
    assert choice.batch in (1, 2)
    assert learner.dls.train.bs == choice.batch
    said = [notice.count for notice in session.notices if notice.kind == "batch"]
    assert said == ([choice.batch] if choice.batch > 1 else [])
    assert session.settled.keys() == ({f"steps.batch ({stage.title})"} if said else set())


@pytest.mark.parametrize("change", ["the CPU", "an option"])
def test_the_batch_of_the_cpu_or_of_an_option_stays(open_session: Open, change: str) -> None:
    preparation, session = open_session(*TUNED)
    assert session.is_batch_given
    session.is_on_gpu, session.is_batch_given = change == "an option", change == "an option"
    with building_learner(session, preparation.recipe.stage[0]) as (learner, _):
        assert settle_batch(session, preparation.recipe.stage[0], learner, None).batch == 1


class Begun(StageKeeper):
    """A keeper of a stage that an earlier process began, with so many images a step."""

    def find_batch(self) -> int | None:
        return 4

    def keep(self, judge: Any, is_last: bool) -> None:
        self.keeper.append(judge.dls.train.bs)  # type: ignore[attr-defined]

    def restore(self, judge: Any) -> list[Any]:
        return []

    @property
    def is_begun(self) -> bool:
        return True


def test_a_stage_goes_on_with_the_batch_it_began_with(open_session: Open) -> None:
    preparation, session = open_session(*TUNED)
    kept: list[int] = []
    run_stage(session, preparation.recipe.stage[0], 1.0, Begun(kept, 0))  # type: ignore[arg-type]
    assert kept == [4]


def test_a_whole_stage_trains_as_on_a_gpu(open_session: Open) -> None:
    preparation, session = open_session(*TUNED)
    session.is_on_gpu, session.is_batch_given, session.look_every = True, False, 50
    run_stage(session, preparation.recipe.stage[0])
    assert np.isfinite(session.history[-1]["train_loss"])
    assert session.best.figures
