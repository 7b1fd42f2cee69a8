"""The learning-rate finder: rates off a readable curve, none off one that tells nothing; the model is as it was."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from sightx_cli.errors import TrainingError
from sightx_cli.machine import find_memory_shortage
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.train.rate_finder import HIGHEST_RATE, LOWEST_RATE, STEPS, FoundRates, find_rates, read_curve
from sightx_cli.train.solved_head import solve_head
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


def test_what_it_suggests_lies_on_the_curve_beside_the_recipes_rate(open_session: Open) -> None:
    found, _, _ = find(open_session)
    assert set(found.suggestions) == {"valley", "steep", "minimum"}
    assert all(found.rates[0] <= rate <= found.rates[-1] for rate in found.suggestions.values() if rate)
    assert found.recipe_rate == 1e-3
    assert found.marks["recipe"] == 1e-3


def test_from_a_fresh_head_the_curve_starts_at_chance_and_falls_where_the_valley_is(open_session: Open) -> None:
    found, _, _ = find(open_session)
    assert found.losses[0] == pytest.approx(math.log(3), abs=0.3)
    assert found.suggestions["valley"] is not None
    assert found.chosen == found.suggestions["valley"]
    valley = min(range(len(found.rates)), key=lambda place: abs(found.rates[place] - found.chosen))
    assert min(found.losses[valley:]) < found.losses[0]


def test_from_a_solved_head_the_recipes_rate_of_the_head_is_kept(open_session: Open) -> None:
    preparation, session = open_session(STAGES, "training.batch=6")
    assert solve_head(session) is not None
    found = find_rates(session, preparation.recipe.stage[0], is_solved=True)
    assert found.losses[0] < 0.9 * math.log(3)
    assert found.chosen == found.recipe_rate == 1e-3
    assert "recipe's rate is kept" in found.why


RATES = tuple(float(rate) for rate in np.geomspace(1e-7, 10, 100))


def make_curve(*, fall: float, minimum_at: float, waver: float = 0.001, level: float = 1.0) -> list[float]:
    """A curve that is level, falls by `fall` from 1e-4 to a rate, and rises steeply from there."""
    noise = np.random.default_rng(0).normal(0, waver, len(RATES))
    logs, end = np.log10(RATES), math.log10(minimum_at)
    fallen = fall * np.clip((logs + 4) / (end + 4), 0, 1)
    return list(level - fallen + np.clip(logs - end, 0, None) ** 2 + noise)


def test_rates_are_read_in_the_order_of_the_fall() -> None:
    found = read_curve(RATES, make_curve(fall=0.6, minimum_at=0.3), 1e-3)
    assert 1e-4 < (found.suggestions["valley"] or 0) < 0.3
    assert 1e-4 < (found.suggestions["steep"] or 0) <= 0.4
    assert found.suggestions["minimum"] == pytest.approx(0.03, rel=0.6)  # a tenth of where the loss is lowest
    assert found.chosen == found.suggestions["valley"]


def test_a_loss_that_still_falls_at_the_end_has_no_minimum() -> None:
    found = read_curve(RATES, make_curve(fall=0.6, minimum_at=10), 1e-3)
    assert found.suggestions["minimum"] is None
    assert found.suggestions["valley"] is not None
    assert "minimum" not in found.marks


@pytest.mark.parametrize("fall", [0.0, 0.01])
def test_where_nothing_falls_beyond_what_the_loss_wavers_by_the_recipes_rate_is_kept(fall: float) -> None:
    found = read_curve(RATES, make_curve(fall=fall, minimum_at=0.01, waver=0.005), 2e-3)
    assert set(found.suggestions.values()) == {None}
    assert (found.chosen, found.marks) == (2e-3, {"recipe": 2e-3})
    assert "at no rate does the loss fall" in found.why


def test_what_a_solved_head_learns_by_heart_is_no_reason_for_a_higher_rate() -> None:
    found = read_curve(RATES, make_curve(fall=0.6, minimum_at=10), 1e-3, is_settled=True)
    assert found.suggestions["valley"] is not None
    assert found.chosen == 1e-3
    assert "learned by heart" in found.why


def test_a_curve_of_a_few_points_is_refused_with_what_to_do() -> None:
    with pytest.raises(TrainingError, match="too short to read a rate from"):
        read_curve(RATES[:8], [1.0] * 6 + [math.inf, math.nan], 1e-3)


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
