"""Steps captured once and replayed, and batches filled up to one size: the same numbers, and the same weights after.

A CUDA graph can only be captured on a GPU (`benchmarks/gpu.py` holds it against the steps it was captured from); here
what is captured is the network's own forward, which shows when it is captured, and for which batches it stands in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from fastai.callback.core import Callback
from torch import Tensor, nn

from sightx_cli.engine.whole_calls import fill_up
from sightx_cli.train.captured_steps import LEAST_STEPS, CapturedSteps, capture_steps
from sightx_cli.train.step_forward import Run, StepForward, WholeBatches, training_in
from tests.train.test_step_forward import IMAGES, fit, make_learner


class Captures:
    """Captures a forward by running it, as a CUDA graph's warm-up does, and counts for how many batches it is used."""

    def __init__(self) -> None:
        self.sizes, self.used = list[int](), 0

    def __call__(self, steps: StepForward, inputs: Sequence[Tensor]) -> Run:
        self.sizes.append(len(inputs[0]))
        steps.run(*inputs).sum().backward()
        torch.rand(1)
        for parameter in steps.model.parameters():
            parameter.grad = None

        def replay(*given: Tensor) -> Tensor:
            self.used += 1
            return steps.run(*given)

        return replay


def build_inputs(images: int) -> list[Tensor]:
    return [torch.rand(images, 3, 8, 8)]


def train_captured(
    captures: Any, steps: int = LEAST_STEPS, more: int = 0, epochs: int = 2, others: Sequence[Callback] = ()
) -> tuple[StepForward, list[str], list[Tensor]]:
    told, learner = list[str](), make_learner(steps, more=more)
    with training_in(learner.model, learner.model[1], "float32", "cpu") as forward:
        captured = CapturedSteps(forward, build_inputs, told.append, captures)
        found = fit(learner, WholeBatches(forward), captured, *others, epochs=epochs)
    return forward, told, found


def test_whole_batches_of_training_are_replayed_and_learn_the_same() -> None:
    captures = Captures()
    _, told, found = train_captured(captures)
    assert captures.sizes == [IMAGES]
    assert captures.used == 2 * LEAST_STEPS
    assert not told
    for one, other in zip(found, fit(make_learner(LEAST_STEPS), epochs=2), strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_a_smaller_batch_is_filled_up_and_replayed_too() -> None:
    captures = Captures()
    _, _, found = train_captured(captures, more=3)
    assert captures.sizes == [IMAGES]
    assert captures.used == 2 * (LEAST_STEPS + 1)
    for one, other in zip(found, fit(make_learner(LEAST_STEPS, more=3), epochs=2), strict=True):
        torch.testing.assert_close(one, other)


class Freeze(Callback):
    """Freezes the first layers after some epochs."""

    def before_epoch(self) -> None:
        for parameter in self.learn.model[0].parameters():
            parameter.requires_grad_(self.learn.epoch < 1)


def test_where_other_layers_train_it_is_captured_again() -> None:
    captures = Captures()
    train_captured(captures, epochs=3, others=[Freeze()])
    assert captures.sizes == [IMAGES, IMAGES]
    assert captures.used == 3 * LEAST_STEPS


def test_a_few_steps_are_not_captured() -> None:
    captures = Captures()
    train_captured(captures, steps=LEAST_STEPS // 2 - 1)
    assert not captures.sizes


def test_a_network_that_cannot_be_captured_trains_all_the_same() -> None:
    """`capture_steps` itself: this machine may have no GPU, and where it has one the model is not on it."""
    steps, told, found = train_captured(capture_steps)
    assert steps.captured is None
    assert len(told) == 1
    assert told[0].startswith("steps are not captured as a CUDA graph: ")
    for one, other in zip(found, fit(make_learner(LEAST_STEPS), epochs=2), strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


@pytest.mark.parametrize("norm_learns", [True, False])
def test_a_batch_is_filled_up_unless_a_norm_learns_from_it(norm_learns: bool) -> None:
    sizes = list[int]()
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2)).train()
    model[1].train(norm_learns)
    model[0].register_forward_hook(lambda *given: sizes.append(len(given[1][0])))
    images = torch.rand(3, 3, 3, 3)
    with training_in(model, model[3], "float32", "cpu") as steps:
        steps.whole_images = 8
        logits = model(images)
        assert logits.shape == (3, 2)
        assert sizes == [3 if norm_learns else 8]
        steps.whole_images = 0
        torch.testing.assert_close(logits, model(images))


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_what_fills_a_batch_up_is_its_first_image_in_the_same_layout(layout: torch.memory_format) -> None:
    images = torch.rand(3, 5, 4, 4).contiguous(memory_format=layout)
    filled = fill_up(images, 8)
    assert filled.is_contiguous(memory_format=layout)
    assert torch.equal(filled[:3], images)
    assert torch.equal(filled[3:], images[:1].expand(5, -1, -1, -1))
    assert fill_up(images, 3) is images
