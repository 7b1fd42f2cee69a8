"""The running average of the weights: what an epoch is judged by and kept as, while training goes on from its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from fastai.callback.core import Callback
from torch import Tensor

from sightx_cli.model.parameter_groups import stage_rates
from sightx_cli.progress import Recorder
from sightx_cli.train.learners import building_learner
from sightx_cli.train.solved_head import solve_head
from sightx_cli.train.stage_runs import fit_stage, run_stage
from sightx_cli.train.state import Session
from sightx_cli.train.weight_average import WeightAverage

Open = Callable[..., tuple[Any, Session]]
STAGE = 'stage=[{train="last:1",epochs=2,rate=1e-2}]'
FOUR_STEPS = "training.batch=16"
"""An epoch of the 57 images to train on has so many."""


class Watch(Callback):
    """Remembers a weight after each step, while it is judged, and once the epoch is over."""

    order = 60  # after the average

    def __init__(self, weight: Tensor, average: WeightAverage) -> None:
        self.weight, self.average = weight, average
        self.steps: list[Tensor] = []
        self.judged: list[Tensor] = []
        self.over: list[Tensor] = []

    def after_step(self) -> None:
        self.steps.append(self.weight.detach().clone())

    def after_validate(self) -> None:
        self.judged.append(self.weight.detach().clone())
        self.average.put_back()
        self.over.append(self.weight.detach().clone())


def watch_training(session: Session, kept_share: float) -> Watch:
    """Train the session's stage; gives what was seen of the head's weight."""
    stage, average = session.recipe.stage[0], WeightAverage(kept_share)
    watch = Watch(session.head[2].weight, average)
    with building_learner(session, stage) as (learner, groups):
        fit_stage(learner, stage, groups, stage_rates(stage, groups), "flat", 0, [average, watch])
    return watch


def average_steps(steps: list[Tensor], kept_share: float) -> Tensor:
    """The average by its definition, in double precision."""
    found = steps[0].double()
    for number, weights in enumerate(steps, 1):
        kept = min(kept_share, (1 + number) / (10 + number))
        found = kept * found + (1 - kept) * weights.double()
    return found


@pytest.mark.parametrize("kept_share", [0.3, 0.98], ids=["held by the share", "held by the few steps"])
def test_an_epoch_is_judged_by_the_average_of_all_steps_until_then(open_session: Open, kept_share: float) -> None:
    watch = watch_training(open_session(STAGE, FOUR_STEPS)[1], kept_share)
    assert len(watch.steps) == 8
    for epoch, judged in enumerate(watch.judged, 1):
        expected = average_steps(watch.steps[: 4 * epoch], kept_share)
        torch.testing.assert_close(judged.double(), expected, rtol=1e-5, atol=1e-7)
        assert not torch.equal(judged, watch.steps[4 * epoch - 1])


def test_training_goes_on_from_its_own_weights(open_session: Open) -> None:
    watch = watch_training(open_session(STAGE, FOUR_STEPS)[1], 0.98)
    assert torch.equal(watch.over[0], watch.steps[3])
    plain = open_session(STAGE, FOUR_STEPS)[1]
    without = watch_training(plain, 0.0)  # the weights themselves
    assert all(torch.equal(one, other) for one, other in zip(watch.steps, without.steps, strict=True))


class Keep(Recorder):
    """Keeps the weights of the model, and those of the best epoch, whenever an epoch is over."""

    def __init__(self) -> None:
        super().__init__()
        self.session: Session | None = None
        self.seen: list[tuple[dict[str, Tensor], dict[str, Tensor]]] = []

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        if self.session is not None and row["stage"] != "solved head":
            state = {name: one.detach().cpu().clone() for name, one in self.session.model.state_dict().items()}
            self.seen.append((state, dict(self.session.best.weights)))


def train_and_keep(open_session: Open, *settings: str) -> tuple[Session, Keep]:
    listener = Keep()
    session = open_session(*settings, FOUR_STEPS, listener=listener, full=True)[1]
    listener.session = session
    run_stage(session, session.recipe.stage[0])
    return session, listener


def test_what_is_kept_of_the_best_epoch_is_the_average_that_was_judged(open_session: Open) -> None:
    stage = 'stage=[{train="last:1",epochs=1,rate=1e-2}]'
    averaged, seen = train_and_keep(open_session, stage, "training.weight_average=0.98")
    plain, _ = train_and_keep(open_session, stage)
    ((raw, kept),) = seen.seen
    assert set(kept) == set(raw)
    changed = {name for name in raw if not torch.equal(raw[name], kept[name])}
    assert {"1.2.weight", "1.2.bias"} < changed
    assert all(name.startswith(("0.network.layer4", "1.2.")) for name in changed)
    trained = plain.model.state_dict()
    assert all(torch.equal(raw[name], trained[name]) for name in raw), "the average has no part in the training"
    assert all(torch.equal(one, kept[name]) for name, one in averaged.model.state_dict().items())
    rows = [session.history[-1]["valid_loss"] for session in (averaged, plain)]
    assert rows[0] != rows[1]


def test_the_head_alone_is_not_averaged(open_session: Open) -> None:
    stage = 'stage=[{train="head",epochs=2,rate=1e-2}]'
    averaged, _ = train_and_keep(open_session, stage, "training.weight_average=0.98")
    plain, _ = train_and_keep(open_session, stage)
    one, other = averaged.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_from_a_solved_head_the_average_moves_less_than_the_weights(open_session: Open) -> None:
    session = open_session(STAGE, FOUR_STEPS)[1]
    solve_head(session)
    solved = session.head[2].weight.detach().clone()
    watch = watch_training(session, 0.98)
    assert (watch.judged[0] - solved).norm() < (watch.steps[3] - solved).norm()
