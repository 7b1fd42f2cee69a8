"""How a batch goes through a network that trains: whole or in parts, compiled or not, in which precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from fastai.callback.core import Callback
from fastai.callback.training import GradientClip
from fastai.data.core import DataLoaders
from fastai.learner import Learner
from torch import Tensor, nn

from sightx_cli.engine.choice import EngineChoice, choose_step_precision
from sightx_cli.progress import Notice
from sightx_cli.train.compiled_steps import MEASURED_STEPS, WARM_STEPS, CompiledSteps, find_lack
from sightx_cli.train.mixed_images import MixedImages
from sightx_cli.train.optimizers import FusedAdamW
from sightx_cli.train.scaled_gradients import ScaledGradients
from sightx_cli.train.short_memory import ShortMemory
from sightx_cli.train.step_forward import Run, StepForward, training_in

IMAGES = 4
STEPS = 2 * (WARM_STEPS + MEASURED_STEPS) + 5


class Body(nn.Module):
    """A small network whose memory holds so many images at once."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.room = room

    def forward(self, images: Tensor) -> Tensor:
        if len(images) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        features: Tensor = self.layers(images)
        return features


class Batches(list[Any]):
    """A loader of a fastai learner: its batches, of so many images."""

    bs = IMAGES

    def to(self, device: object) -> None:
        self.device = device


def make_learner(steps: int = 3, room: int = IMAGES, more: int = 0) -> Learner:
    """A learner of a few steps; with `more`, each epoch ends with a batch of so many images."""
    generator = torch.Generator().manual_seed(0)
    images, targets = torch.randn(IMAGES, 3, 8, 8, generator=generator), torch.tensor([0, 1] * (IMAGES // 2))
    batches = [(images, targets)] * steps + ([(images[:more], targets[:more])] if more else [])
    torch.manual_seed(0)
    model = nn.Sequential(Body(room), nn.Linear(4, 2))
    loaders = DataLoaders(Batches(batches), Batches(batches[:1]), device=torch.device("cpu"))
    return Learner(loaders, model, nn.CrossEntropyLoss(), FusedAdamW, lr=0.01)


def fit(learner: Learner, *callbacks: Callback, epochs: int = 1) -> list[Tensor]:
    """Train, and return the weights and the losses of the epochs."""
    learner.add_cbs(callbacks)
    torch.manual_seed(0)
    np.random.seed(0)
    with learner.no_bar(), learner.no_logging():
        learner.fit(epochs)
    return [*(one.detach() for one in learner.model.parameters()), torch.tensor(learner.recorder.values)]


def test_a_batch_that_the_memory_does_not_hold_is_learned_from_all_the_same() -> None:
    told: list[Notice] = []
    whole, short = make_learner(), make_learner(room=1)
    with training_in(short.model, short.model[1], "float32", "cpu") as steps:
        found = fit(short, ShortMemory(steps, told.append), MixedImages(0.2, 0.5))
    expected = fit(whole, MixedImages(0.2, 0.5))
    assert steps.parts == IMAGES
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    assert [notice.count for notice in told] == [IMAGES, IMAGES]
    assert "--set training.batch=1 " in told[-1].text


def test_one_image_that_the_memory_does_not_hold_ends_the_training() -> None:
    learner = make_learner(room=0)
    with (
        training_in(learner.model, learner.model[1], "float32", "cpu") as steps,
        pytest.raises(torch.OutOfMemoryError),
    ):
        fit(learner, ShortMemory(steps, lambda _: None))


class Full(FusedAdamW):
    """An optimizer that finds no memory for its state once its first weights have changed."""

    def step(self) -> None:
        super().step()
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_step_whose_update_has_begun_is_not_done_again() -> None:
    learner = make_learner()
    learner.opt_func = Full
    with (
        training_in(learner.model, learner.model[1], "float32", "cpu") as steps,
        pytest.raises(torch.OutOfMemoryError),
    ):
        fit(learner, ShortMemory(steps, lambda _: None))
    assert steps.parts == 1


def compile_eagerly(run: Run) -> Run:
    """torch's compiler without the part that writes kernels, which takes its time."""
    compiled: Run = torch.compile(run, dynamic=False, backend="aot_eager")
    return compiled


class Waits:
    """Counts how often the device is waited for."""

    count = 0

    def __call__(self) -> None:
        self.count += 1


def compile_steps(
    learner: Learner, compile_run: Callable[[Run], Run], seconds: float = 0.0
) -> tuple[StepForward, list[str], Waits, list[Tensor]]:
    told, waits = list[str](), Waits()
    with training_in(learner.model, learner.model[1], "float32", "cpu") as steps:
        found = fit(learner, CompiledSteps(steps, told.append, waits, compile_run, seconds))
    return steps, told, waits, found


@pytest.mark.slow
def test_compiled_steps_learn_the_same_under_the_same_names() -> None:
    learner = make_learner(STEPS, more=3)
    names = list(learner.model.state_dict())
    _, told, waits, found = compile_steps(learner, compile_eagerly)
    for one, other in zip(found, fit(make_learner(STEPS, more=3)), strict=True):
        torch.testing.assert_close(one, other)
    assert list(learner.model.state_dict()) == names
    assert waits.count == 4
    assert len(told) == 1
    assert "ms a step before" in told[0]


def test_steps_are_not_compiled_where_too_few_are_left() -> None:
    calls = list[Run]()
    steps, told, _, _ = compile_steps(make_learner(STEPS), lambda run: calls.append(run) or run, 1e6)
    assert steps.compiled is None
    assert not calls
    assert "steps are not compiled: " in told[0]
    assert "of them are left" in told[0]


def test_steps_that_are_no_faster_compiled_are_not() -> None:
    def slow_down(run: Run) -> Run:
        def slow(*inputs: Tensor) -> Tensor:
            for _ in range(20):
                run(*inputs)
            return run(*inputs)

        return slow

    steps, told, _, _ = compile_steps(make_learner(STEPS), slow_down)
    assert steps.compiled is None
    assert "is no faster" in told[0]


def test_a_network_that_cannot_be_compiled_trains_all_the_same() -> None:
    def fail(*_: Tensor) -> Tensor:
        raise RuntimeError("no kernel for this\nand more")

    steps, told, _, found = compile_steps(make_learner(STEPS), lambda _: fail)
    assert steps.compiled is None
    assert told == ["steps are not compiled: torch's compiler failed on this network (no kernel for this)"]
    for one, other in zip(found, fit(make_learner(STEPS)), strict=True):
        torch.testing.assert_close(one, other)


def test_on_the_cpu_nothing_is_compiled() -> None:
    assert find_lack(torch.device("cpu")) == "it is for GPUs by CUDA"


@pytest.mark.slow
def test_torchs_own_kernels_learn_the_same() -> None:
    _, told, _, found = compile_steps(make_learner(STEPS), lambda run: torch.compile(run, dynamic=False))
    assert len(told) == 1
    assert "failed" not in told[0]
    for one, other in zip(found, fit(make_learner(STEPS)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_scaled_gradients_give_the_same_steps() -> None:
    clip = GradientClip(0.05)
    found, expected = fit(make_learner(), ScaledGradients("cpu"), clip), fit(make_learner(), GradientClip(0.05))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


class Overflow(Callback):
    """Gives the first step gradients that are not finite, as float16 does while its scale is too high."""

    order = 9  # before the scaler looks

    def before_step(self) -> None:
        if not self.learn.train_iter:
            for parameter in self.learn.model.parameters():
                parameter.grad[:] = torch.inf


def test_a_step_whose_gradients_overflow_is_left_out_and_the_scale_halved() -> None:
    learner, scaled = make_learner(steps=1), ScaledGradients("cpu")
    before = [one.detach().clone() for one in learner.model.parameters()]
    scale = scaled.scaler.get_scale()
    after = fit(learner, scaled, Overflow())[: len(before)]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert scaled.scaler.get_scale() == scale / 2


def test_float16_trains_on_cuda_alone() -> None:
    engine = EngineChoice("torch", "float32", "cuda:0", "", "float16")
    assert choose_step_precision(engine) == "float16"
    assert choose_step_precision(replace(engine, device="mps")) == "float32"
    assert choose_step_precision(replace(engine, half="bfloat16")) == "bfloat16"
    assert choose_step_precision(replace(engine, half=None)) == "float32"
