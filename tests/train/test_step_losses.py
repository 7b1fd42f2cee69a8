"""A step waits for nothing that its device computes: losses stay there, and are looked at now and then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from sightx_cli.errors import TrainingError
from sightx_cli.progress import Silent
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.train.best_epoch import Best
from sightx_cli.train.callbacks import FiniteLoss, FrozenStaysFrozen
from sightx_cli.train.judge import Judge
from sightx_cli.train.learners import build_shifted_loss
from sightx_cli.train.looks import LOOK_EVERY_STEPS, choose_look
from sightx_cli.train.mixed_images import MixedImages
from sightx_cli.train.optimizers import FusedAdamW
from sightx_cli.train.step_losses import LossesOnDevice
from sightx_cli.train.weight_average import WeightAverage

TASK = SingleLabel(("good", "bad"))


class Progress(Silent):
    """Counts what is reported, and keeps the figures shown with it."""

    def __init__(self) -> None:
        self.steps, self.shown = 0, list[float]()

    def advance(self, task: str, units: int = 1, figures: Mapping[str, float] | None = None) -> None:
        self.steps += units
        self.shown += (figures or {}).values()


class Copies(TorchDispatchMode):
    """Counts the tensors that are copied to another device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, inputs: Any = (), options: Any = None) -> Any:
        found = function(*inputs, **(options or {}))
        before = [one.device for one in inputs if isinstance(one, Tensor)]
        if isinstance(found, Tensor) and before and found.device not in before:
            self.count += 1
        return found


class StopAfter(Callback):
    """Stops within an epoch, before anything is looked at."""

    order = 100

    def __init__(self, steps: int) -> None:
        self.steps, self.done = steps, 0

    def after_batch(self) -> None:
        self.done += 1
        if self.done == self.steps:
            raise KeyboardInterrupt


class Batches(list[Any]):
    """A loader whose batches are where they are to be."""

    def to(self, device: str) -> None:
        self.device = device


def make_learner(device: str, steps: int, look_every: int, progress: Progress, *more: Callback) -> Learner:
    generator = torch.Generator().manual_seed(0)
    images, targets = torch.randn(8, 3, 8, 8, generator=generator), torch.tensor([0, 1] * 4)
    batches = [(images.to(device), targets.to(device))] * steps
    torch.manual_seed(0)
    np.random.seed(0)
    body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    model = nn.Sequential(body, nn.Flatten(), nn.Linear(4, 2)).to(device)
    loss = build_shifted_loss(TASK.build_loss(torch.ones(2, device=device), 0.1), torch.ones(2, device=device))
    average = WeightAverage(0.9)
    judge = Judge(model, Best("loss"), "head", 1, TASK, [], progress, None, average=average, look_every=look_every)
    callbacks = [
        FrozenStaysFrozen(body, list(body.parameters()), True),
        FiniteLoss(look_every),
        LossesOnDevice(),
        GradientClip(1.0),
        MixedImages(0.2, 0.5),
        judge,
        average,
        *more,
    ]
    return Learner(
        DataLoaders(Batches(batches), Batches(batches[:2]), device=torch.device(device)),
        model,
        loss,
        FusedAdamW,
        cbs=callbacks,
    )


def test_no_step_waits_for_its_device_between_two_looks() -> None:
    """The device "meta" has no numbers: whatever reads one there, or copies one to the CPU, fails."""
    progress, copies, steps = Progress(), Copies(), LOOK_EVERY_STEPS - 1
    learner = make_learner("meta", steps, LOOK_EVERY_STEPS, progress, StopAfter(steps))
    with learner.no_bar(), learner.no_logging(), copies, pytest.raises(KeyboardInterrupt):
        learner.fit(1, lr=1e-3)
    assert (progress.steps, progress.shown) == (steps, [])
    assert copies.count == steps  # the partners that mixed images are drawn with: from pinned memory (`send`)


def test_what_is_looked_at_seldom_is_the_same() -> None:
    shown = []
    for look_every in (1, 4):
        progress = Progress()
        learner = make_learner("cpu", 10, look_every, progress)
        with learner.no_bar(), learner.no_logging():
            learner.fit(1, lr=1e-3)
        assert progress.steps == 10
        shown.append((progress.shown, learner.judge.history[0]["train_loss"], learner.recorder.values))
    (often, loss, values), (seldom, *same) = shown
    assert seldom == [often[3], often[7]]
    assert same == [loss, values]


def test_the_averages_are_those_of_fastai() -> None:
    progress = Progress()
    learner = make_learner("cpu", 10, 1, progress)
    plain = make_learner("cpu", 10, 1, Progress())
    plain.remove_cb(LossesOnDevice)
    for one in (learner, plain):
        torch.manual_seed(1)
        np.random.seed(1)
        with one.no_bar(), one.no_logging():
            one.fit(1, lr=1e-3)
    assert torch.equal(torch.stack(learner.recorder.losses), torch.stack(plain.recorder.losses))
    assert learner.recorder.values == plain.recorder.values


@pytest.mark.parametrize("look_every", [1, 4, 100])
def test_a_loss_that_is_not_finite_ends_the_epoch_at_the_next_look(look_every: int) -> None:
    progress = Progress()
    learner = make_learner("cpu", 10, look_every, progress)
    learner.loss_func = lambda logits, _: logits.mean() * (float("nan") if progress.steps == 1 else 1.0)
    with learner.no_bar(), learner.no_logging(), pytest.raises(TrainingError, match="no longer finite"):
        learner.fit(1, lr=1e-3)
    assert progress.steps == {1: 1, 4: 3, 100: 10}[look_every]


def test_only_the_cpu_is_looked_at_in_each_step() -> None:
    assert choose_look(torch.device("cpu")) == 1
    assert choose_look(torch.device("cuda")) == LOOK_EVERY_STEPS
