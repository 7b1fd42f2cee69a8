"""A threshold reaches on new images what it was chosen for, and what it reaches is measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightx_cli.errors import DataError
from sightx_cli.metrics.answers import Answers, SetAnswers
from sightx_cli.metrics.class_figures import measure_predictive_values
from sightx_cli.metrics.intervals import measure_wilson
from sightx_cli.metrics.operating_points import (
    Question,
    build_question,
    choose_for_cost,
    choose_for_sensitivity,
    choose_for_specificity,
    measure_decision,
)


def make_question(images: int, seed: int, apart: float = 1.5) -> Question:
    chance = np.random.default_rng(seed)
    truth = np.arange(images) % 3 == 0
    logits = apart * (chance.normal(size=images) + apart * truth - apart / 2) + np.log(0.5)
    return Question(("ill",), 1 / (1 + np.exp(-logits)), truth)


def test_a_score_is_the_sum_of_the_positive_classes() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    question = build_question(Answers(scores, np.array([0, 2])), ("0", "1", "2"), ["1", "2"])
    assert question.scores == pytest.approx([0.5, 0.9])
    assert question.truth.tolist() == [False, True]


def test_of_several_labels_the_highest_of_the_positive_ones_counts() -> None:
    scores = np.array([[0.5, 0.3, 0.9], [0.1, 0.2, 0.9]])
    answers = SetAnswers(scores, np.array([[1, 0, 0], [0, 0, 1]]), np.zeros((2, 3), np.int64))
    question = build_question(answers, ("a", "b", "c"), ["a", "b"])
    assert question.scores == pytest.approx([0.5, 0.2])
    assert question.truth.tolist() == [True, False]


@pytest.mark.parametrize("positives", [[], ["c"], ["a", "b"], ["a", "c"]])
def test_a_question_needs_some_known_classes_and_not_all(positives: list[str]) -> None:
    with pytest.raises(DataError, match="allowed are some, not all, of a, b"):
        build_question(Answers(np.full((2, 2), 0.5), np.array([0, 1])), ("a", "b"), positives)


@pytest.mark.parametrize(("images", "wished"), [(90, 0.9), (300, 0.95), (300, 0.8)])
def test_new_images_reach_the_wished_share_on_average(images: int, wished: float) -> None:
    reached: dict[str, list[float]] = {"sensitivity": [], "specificity": []}
    for seed in range(300):
        known, new = make_question(images, 2 * seed), make_question(900, 2 * seed + 1)
        for name, choose in (("sensitivity", choose_for_sensitivity), ("specificity", choose_for_specificity)):
            value = measure_decision(new, choose(known, wished).value).figures[name]
            assert value is not None
            reached[name].append(value)
    for values in reached.values():
        assert wished - 0.004 < np.mean(values) < wished + 0.02


def test_too_few_images_are_said_and_the_most_cautious_threshold_is_taken() -> None:
    few, enough = make_question(54, 0), make_question(57, 0)  # 18 and 19 positive images
    assert not choose_for_sensitivity(few, 0.95).is_certain
    assert choose_for_sensitivity(enough, 0.95).is_certain
    for question in (few, enough):
        chosen = choose_for_sensitivity(question, 0.95)
        assert (chosen.needed, chosen.chosen_on) == (19, question.truth.sum())
        assert measure_decision(question, chosen.value).figures["sensitivity"] == 1.0


def test_rounding_to_float32_moves_no_image_across_a_threshold() -> None:
    question = make_question(300, 1)
    rounded = Question(question.positives, question.scores.astype(np.float32).astype(np.float64), question.truth)
    for threshold in (choose_for_sensitivity(question, 0.9).value, choose_for_specificity(question, 0.9).value):
        assert ((question.scores >= threshold) == (rounded.scores >= threshold)).all()


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=40), st.floats(0.05, 0.99))
@settings(max_examples=100, deadline=None)
def test_the_wish_is_met_on_the_images_that_it_was_chosen_on(rows: list[tuple[int, bool]], wished: float) -> None:
    scores, truth = np.array([score / 8 for score, _ in rows]), np.array([has for _, has in rows])
    if truth.all() or not truth.any():
        return
    question = Question(("ill",), scores, truth)
    for name, choose in (("sensitivity", choose_for_sensitivity), ("specificity", choose_for_specificity)):
        value = measure_decision(question, choose(question, wished).value).figures[name]
        assert value is not None
        assert value >= wished - 1e-9


def test_a_threshold_by_cost_misses_fewer_where_missing_costs_more() -> None:
    question, new = make_question(300, 3), make_question(3_000, 4)
    equal, dear = choose_for_cost(question, 1, 1), choose_for_cost(question, 10, 1)
    assert equal.value == 0.5  # the probabilities are right: nothing speaks against where theory puts it
    assert dear.value == pytest.approx(1 / 11, abs=0.02)
    costs = {"fn": 10.0, "fp": 1.0}
    by_cost, by_half = (measure_decision(new, one.value, costs=costs).cost for one in (dear, equal))
    assert by_cost is not None
    assert by_half is not None
    assert by_cost < by_half


def test_a_threshold_by_cost_follows_the_images_where_probabilities_are_wrong() -> None:
    question = make_question(600, 5)
    shrunk = Question(question.positives, question.scores / 10, question.truth)
    chosen = choose_for_cost(shrunk, 1, 1)
    assert chosen.value < 0.1
    cost = measure_decision(shrunk, chosen.value, costs={"fn": 1, "fp": 1}).cost
    assert cost is not None
    assert cost < 0.25  # always answering no costs 0.33


@pytest.mark.parametrize("wished", [0.0, 1.0, 1.5, float("nan")])
def test_a_wish_lies_between_0_and_1(wished: float) -> None:
    with pytest.raises(DataError, match="allowed are numbers between 0 and 1"):
        choose_for_sensitivity(make_question(30, 0), wished)


@pytest.mark.parametrize("costs", [(0.0, 1.0), (1.0, -1.0), (float("inf"), 1.0)])
def test_costs_are_above_0(costs: tuple[float, float]) -> None:
    with pytest.raises(DataError, match="allowed are numbers above 0"):
        choose_for_cost(make_question(30, 0), *costs)


def test_images_of_one_kind_choose_no_threshold() -> None:
    with pytest.raises(DataError, match="all 3 images are negative"):
        choose_for_specificity(Question(("ill",), np.array([0.1, 0.2, 0.3]), np.zeros(3, bool)), 0.9)


def test_what_a_threshold_reaches_is_counted() -> None:
    question = Question(("ill",), np.array([0.9, 0.8, 0.4, 0.6, 0.1, 0.2]), np.array([1, 1, 1, 0, 0, 0], bool))
    found = measure_decision(question, 0.5, prevalences=[0.1], costs={"fn": 10, "fp": 1})
    assert (found.true_positives, found.false_positives, found.false_negatives, found.true_negatives) == (2, 1, 1, 2)
    assert found.figures == dict.fromkeys(("sensitivity", "specificity", "ppv", "npv", "accuracy"), 2 / 3) | {
        "accuracy": 4 / 6
    }
    assert found.intervals["sensitivity"] == measure_wilson(2, 3)
    assert found.cost == pytest.approx(11 / 6)
    assert found.at_prevalences[0].ppv == pytest.approx(2 / 3 * 0.1 / (2 / 3 * 0.1 + 1 / 3 * 0.9))
    json.dumps(found.to_json(), allow_nan=False)
    json.dumps(choose_for_sensitivity(question, 0.5).to_json(), allow_nan=False)


def test_without_positive_images_the_rest_is_measured() -> None:
    found = measure_decision(Question(("ill",), np.array([0.9, 0.1]), np.zeros(2, bool)), 0.5, prevalences=[0.1])
    assert found.figures["sensitivity"] is None
    assert found.figures["specificity"] == 0.5
    assert found.at_prevalences == ()


@pytest.mark.parametrize("right", [(50, 90), (50, 100), (0, 90), (45, 0)])
@pytest.mark.parametrize("prevalence", [0.001, 0.1, 0.5, 0.9])
def test_predictive_values_lie_in_their_intervals(right: tuple[int, int], prevalence: float) -> None:
    sensitivity = right[0] / 50, measure_wilson(right[0], 50)
    specificity = right[1] / 100, measure_wilson(right[1], 100)
    found = measure_predictive_values(sensitivity, specificity, prevalence)
    for value, (low, high) in ((found.ppv, found.ppv_interval), (found.npv, found.npv_interval)):
        assert 0 <= low <= value <= high <= 1
        assert low < high


def test_intervals_of_predictive_values_hold_what_is_true() -> None:
    chance, held = np.random.default_rng(0), []
    for _ in range(1_000):
        found, spared = int(chance.binomial(60, 0.9)), int(chance.binomial(140, 0.95))
        two = (found / 60, measure_wilson(found, 60)), (spared / 140, measure_wilson(spared, 140))
        low, high = measure_predictive_values(*two, 0.05).ppv_interval
        held.append(low <= 0.9 * 0.05 / (0.9 * 0.05 + 0.05 * 0.95) <= high)
    assert 0.93 < np.mean(held) < 0.98


@pytest.mark.parametrize("prevalence", [0.0, 1.0, -0.1, 5.0, float("nan")])
def test_a_prevalence_lies_between_0_and_1(prevalence: float) -> None:
    with pytest.raises(DataError, match="allowed are numbers between 0 and 1"):
        measure_predictive_values((0.9, (0.8, 0.95)), (0.9, (0.8, 0.95)), prevalence)
