"""What keeps a training honest: what is in training mode, what an error leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import nn

from sightx_cli.errors import TrainingError
from sightx_cli.train.callbacks import FiniteLoss, FrozenStaysFrozen
from sightx_cli.train.learners import building_learner
from tests.conftest import press_ctrl_c


class Body(nn.Sequential):
    """Two blocks with norms; the second trains."""

    def __init__(self) -> None:
        super().__init__(
            nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)),
            nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)),
        )


@pytest.mark.parametrize("norms_train", [False, True])
def test_only_what_trains_is_in_training_mode(norms_train: bool) -> None:
    body = Body()
    callback = FrozenStaysFrozen(body, list(body[1].parameters()), norms_train)
    body.train()
    callback.before_train()
    assert not any(module.training for module in body[0].modules())
    assert body[1][0].training
    assert body[1][1].training is norms_train


def make_learner(callback: Any, loss: Any) -> Learner:
    from fastai.data.core import DataLoaders

    batches = [(torch.ones(2, 1), torch.ones(2, 1))] * 2
    return Learner(DataLoaders(batches, batches), nn.Linear(1, 1), loss_func=loss, cbs=callback)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_before_it_is_learned_from(value: float) -> None:
    learner = make_learner([FiniteLoss()], lambda pred, target: pred.mean() * value)
    before = learner.model.weight.detach().clone()
    with learner.no_bar(), learner.no_logging(), pytest.raises(TrainingError, match="epoch 1"):
        learner.fit(1, lr=1e-3)
    assert torch.equal(learner.model.weight, before)


class Interrupt(Callback):
    """Ends a step in the middle of its forward."""

    def __init__(self, press: Callable[..., None]) -> None:
        self.press = press

    def before_fit(self) -> None:
        *_, linear = self.learn.model.modules()
        linear.register_forward_hook(lambda *_: self.press())


def fail() -> None:
    raise ValueError


@pytest.mark.parametrize("end", [press_ctrl_c, fail], ids=["Ctrl-C", "an error"])
def test_half_precision_ends_with_the_batch_however_that_ends(
    open_session: Callable[..., tuple[Any, Any]], end: Callable[..., None]
) -> None:
    preparation, session = open_session(*TUNED)
    with pytest.raises((KeyboardInterrupt, ValueError)):
        train_in_half(session, preparation.recipe.stage[0], [Interrupt(end)])
    assert not torch.is_autocast_enabled("cpu")


TUNED = ('stage=[{train="last:2",epochs=1,rate=1e-3}]',)


def train_in_half(session: Any, stage: Any, callbacks: Sequence[Callback]) -> Any:
    session.engine = replace(session.engine, half="bfloat16")
    with building_learner(session, stage) as (learner, _):
        learner.add_cbs(callbacks)
        with learner.no_bar(), learner.no_logging():
            learner.fit(1, lr=1e-3)
    return learner


class WatchPrecision(Callback):
    """Remembers what the last convolution and the head compute in, while they train and while they are validated."""

    def before_fit(self) -> None:
        self.seen: set[tuple[str, bool, torch.dtype]] = set()
        for kind in (nn.Conv2d, nn.Linear):
            found = [module for module in self.learn.model.modules() if isinstance(module, kind)]
            if found:
                found[-1].register_forward_hook(self.remember)

    def remember(self, module: nn.Module, _: Any, output: torch.Tensor) -> None:
        self.seen.add((type(module).__name__, self.learn.training, output.dtype))

    def after_pred(self) -> None:
        assert self.learn.pred.dtype == torch.float32
        assert not torch.is_autocast_enabled("cpu")


def test_half_precision_is_for_the_steps_of_layers_and_the_weights_stay_whole(
    open_session: Callable[..., tuple[Any, Any]],
) -> None:
    preparation, session = open_session(*TUNED)
    watch = WatchPrecision()
    learner = train_in_half(session, preparation.recipe.stage[0], [watch])
    assert watch.seen == {
        ("Conv2d", True, torch.bfloat16),
        ("Conv2d", False, torch.float32),
        ("Linear", True, torch.float32),
        ("Linear", False, torch.float32),
    }
    assert {parameter.dtype for parameter in learner.model.parameters()} == {torch.float32}


def test_a_head_alone_trains_in_float32(open_session: Callable[..., tuple[Any, Any]]) -> None:
    preparation, session = open_session()
    watch = WatchPrecision()
    train_in_half(session, preparation.recipe.stage[0], [watch])
    assert watch.seen == {("Linear", True, torch.float32), ("Linear", False, torch.float32)}
