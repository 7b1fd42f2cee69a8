"""Sets hold the true class as often as their level says, in every class; a decision alone in its set is sure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightx_cli.metrics.conformal import choose_level, find_floor, find_unsure, measure_floors


def draw(images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three classes, and which is true: the third is much harder than the others."""
    generator = np.random.default_rng(seed)
    truth = generator.choice(3, images, p=[0.5, 0.4, 0.1])
    logits = generator.normal(size=(images, 3)) * np.array([1, 1, 2])
    logits[np.arange(images), truth] += np.array([3, 2, 1])[truth]
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return shares, truth[:, None] == np.arange(3)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_the_true_class_is_in_its_set_as_often_as_the_level_says_in_every_class(level: float) -> None:
    found = measure_floors(*draw(20_000, 0), level)
    claims, truth = draw(20_000, 1)
    held = claims >= np.asarray(found.floors)
    assert found.pooled == ()
    for place in range(3):
        assert held[truth[:, place], place].mean() == pytest.approx(level, abs=0.03)


@given(st.integers(1, 60), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_a_floor_needs_as_many_images_as_the_level_asks_for(images: int, level: float) -> None:
    floor = find_floor(np.linspace(0.1, 0.9, images), level)
    assert (floor is None) == (images < round(level / (1 - level)))


def test_a_class_of_too_few_images_has_the_floor_of_all_and_is_named() -> None:
    claims, truth = draw(300, 2)
    few = np.flatnonzero(truth[:, 2])[5:]
    rows = np.setdiff1d(np.arange(300), few)
    found = measure_floors(claims[rows], truth[rows], 0.9)
    assert found.pooled == (2,)
    assert found.floors[2] == find_floor(claims[rows][truth[rows]], 0.9)


def test_where_nothing_can_be_measured_everything_stays_possible() -> None:
    claims, truth = draw(6, 3)
    found = measure_floors(claims, truth, 0.9)
    assert found.floors == (0.0, 0.0, 0.0)
    assert find_unsure(claims, claims == claims.max(1, keepdims=True), found.floors).all()


def test_unsure_is_a_set_that_holds_more_than_the_decision_and_an_empty_one_counts_as_it() -> None:
    claims = np.array([[0.9, 0.1], [0.6, 0.4], [0.55, 0.45], [0.45, 0.55]])
    decided = claims == claims.max(1, keepdims=True)
    assert find_unsure(claims, decided, [0.7, 0.42]).tolist() == [False, False, True, False]
    assert find_unsure(claims, decided, [0.7, 0.35]).tolist() == [False, True, True, False]


@pytest.mark.parametrize(("right", "level"), [(50, 0.9), (89, 0.9), (90, 0.95), (96, 0.99), (100, 0.99)])
def test_the_level_lies_above_the_share_of_right_decisions(right: int, level: float) -> None:
    assert choose_level(*answer(right, 100)) == level


@pytest.mark.parametrize(("images", "level"), [(8, None), (9, 0.9), (18, 0.9), (19, 0.95), (98, 0.95), (99, 0.99)])
def test_no_level_is_chosen_that_the_images_are_too_few_for(images: int, level: float | None) -> None:
    assert choose_level(*answer(images, images)) == level


def answer(right: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """What is decided of images of two classes, of which so many are right, and what is true."""
    truth = np.tile([True, False], (images, 1))
    decided = truth.copy()
    decided[right:] = [False, True]
    return decided, truth
