"""The learning-rate finder: three rates off a readable curve, and a model that is as it was."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from sightx_cli.errors import TrainingError
from sightx_cli.machine import find_memory_shortage
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.train.rate_finder import HIGHEST_RATE, LOWEST_RATE, STEPS, FoundRates, find_rates
from sightx_cli.train.state import Session

Open = Callable[..., tuple[Any, Session]]
STAGES = 'stage=[{train="head",epochs=1,rate=1e-3},{train="last:1",epochs=1,rate={head=1e-3,backbone=1e-4}}]'


def find(open_session: Open, number: int = 0, **how: Any) -> tuple[FoundRates, Session, dict[str, torch.Tensor]]:
    preparation, session = open_session(STAGES, "training.batch=6", **how)
    before = {name: tensor.clone() for name, tensor in session.model.state_dict().items()}
    return find_rates(session, preparation.recipe.stage[number]), session, before


@pytest.mark.parametrize(("number", "cache"), [(0, True), (1, True), (1, False)])
def test_the_weights_are_as_before_to_the_bit(open_session: Open, number: int, cache: bool) -> None:
    _, session, before = find(open_session, number, cache=cache)
    after = session.model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert session.trained_from > len(session.backbone.stages)


def test_it_suggests_three_rates_that_lie_on_the_curve(open_session: Open) -> None:
    found, _, _ = find(open_session)
    assert set(found.suggestions) == {"valley", "steep", "minimum"}
    assert all(found.rates[0] <= rate <= found.rates[-1] for rate in found.suggestions.values())


def test_the_curve_starts_at_chance_and_falls_where_the_valley_is(open_session: Open) -> None:
    found, _, _ = find(open_session)
    assert found.losses[0] == pytest.approx(math.log(3), abs=0.3)  # a fresh head: a solved one would start near 0
    valley = min(range(len(found.rates)), key=lambda place: abs(found.rates[place] - found.suggestions["valley"]))
    assert min(found.losses[valley:]) < found.losses[0]


def test_the_rates_rise_by_steps_of_one_factor_over_the_range(open_session: Open) -> None:
    found, _, _ = find(open_session)
    assert len(found.rates) == len(found.losses) <= STEPS
    assert found.rates[0] == pytest.approx(LOWEST_RATE)
    factor = (HIGHEST_RATE / LOWEST_RATE) ** (1 / STEPS)
    assert [b / a for a, b in zip(found.rates, found.rates[1:], strict=False)] == pytest.approx(
        [factor] * (len(found.rates) - 1), rel=1e-3
    )


def test_the_same_seed_finds_the_same_curve(open_session: Open) -> None:
    (first, *_), (second, *_) = find(open_session), find(open_session)
    assert first == second


@dataclass(frozen=True)
class Hungry(SingleLabel):
    """Labels whose loss asks for more memory than any machine has."""

    def build_loss(self, weight: torch.Tensor | None, smoothing: float) -> Any:
        """Build the loss."""
        return lambda logits, targets: torch.empty(10**15)


def test_a_lack_of_memory_is_no_short_curve(open_session: Open) -> None:
    preparation, session = open_session(STAGES, "training.batch=6")
    session.task = Hungry(session.task.classes)
    with pytest.raises(RuntimeError) as caught:
        find_rates(session, preparation.recipe.stage[0])
    assert find_memory_shortage(caught.value)
    assert not isinstance(caught.value, TrainingError)
