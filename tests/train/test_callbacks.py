"""What keeps a training honest: which epoch is the best, what is in training mode, what an error leaves behind."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch
from fastai.callback.core import Callback
from fastai.learner import Learner
from torch import nn

from sightx_cli.errors import TrainingError
from sightx_cli.train.callbacks import Best, FiniteLoss, FrozenStaysFrozen, HalfPrecision
from sightx_cli.train.learners import building_learner


def make_model(value: float) -> nn.Module:
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, value)
    return model


def make_figures(accuracy: float | None, loss: float) -> dict[str, float | None]:
    return {"accuracy": accuracy, "loss": loss}


@pytest.mark.parametrize(
    ("metric", "old", "new", "kept"),
    [
        ("accuracy", (0.8, 0.5), (0.9, 0.9), True),
        ("accuracy", (0.8, 0.5), (0.7, 0.1), False),
        ("accuracy", (0.8, 0.5), (0.8, 0.4), True),
        ("accuracy", (0.8, 0.5), (0.8, 0.5), False),
        ("loss", (0.8, 0.5), (0.1, 0.4), True),
        ("accuracy", (None, 0.5), (None, 0.4), True),
        ("accuracy", (None, 0.5), (None, 0.6), False),
        ("accuracy", (None, 0.5), (0.2, 0.9), True),
        ("accuracy", (0.2, 0.5), (None, 0.1), False),
    ],
)
def test_an_epoch_is_kept_if_its_metric_is_better_or_as_good_with_less_loss(
    metric: str, old: tuple[float | None, float], new: tuple[float | None, float], kept: bool
) -> None:
    best = Best(metric)
    assert best.offer(make_model(1.0), "head", 1, make_figures(*old))
    assert best.offer(make_model(2.0), "last:1", 7, make_figures(*new)) is kept
    assert (best.stage, best.epoch) == (("last:1", 7) if kept else ("head", 1))


def test_the_best_weights_come_back_as_they_were() -> None:
    best, model = Best("accuracy"), make_model(1.0)
    best.offer(model, "head", 1, make_figures(0.9, 0.1))
    nn.init.constant_(model.weight, 5.0)
    best.restore(model)
    assert model.weight.item() == 1.0


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


class PressCtrlC(Callback):
    """Presses Ctrl-C in the middle of a batch."""

    order = 8

    def after_pred(self) -> None:
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_within_a_batch_leaves_half_precision(open_session: Callable[..., tuple[Any, Any]]) -> None:
    preparation, session = open_session()

    def train() -> None:
        with building_learner(session, preparation.recipe.stage[0]) as (learner, _):
            learner.add_cbs([HalfPrecision("cpu", torch.bfloat16), PressCtrlC()])
            with learner.no_bar(), learner.no_logging():
                learner.fit(1)

    with pytest.raises(KeyboardInterrupt):
        train()
    assert not torch.is_autocast_enabled("cpu")


def test_half_precision_computes_the_forward_and_keeps_the_weights_whole() -> None:
    seen = []

    def measure(pred: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        seen.append((pred.dtype, torch.is_autocast_enabled("cpu")))
        return (pred - target).square().mean()

    learner = make_learner([HalfPrecision("cpu", torch.bfloat16)], measure)
    with learner.no_bar(), learner.no_logging():
        learner.fit(1, lr=1e-3)
    assert set(seen) == {(torch.float32, True)}
    assert learner.model.weight.dtype == torch.float32
    assert not torch.is_autocast_enabled("cpu")
