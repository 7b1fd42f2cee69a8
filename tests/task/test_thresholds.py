"""A threshold approaches the one with the highest F1, the nearer the more images speak for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from sightx_cli.task.thresholds import HALFWAY_IMAGES, choose_threshold, find_best_threshold

cells = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=2, max_size=40)


@given(cells)
@settings(max_examples=80, deadline=None)
def test_no_other_threshold_between_two_scores_has_a_higher_f1(rows: list[tuple[int, bool]]) -> None:
    scores, has = np.array([row[0] / 10 for row in rows]), np.array([row[1] for row in rows]).astype(np.int64)
    known = np.unique(scores)
    if not has.any() or len(known) < 2:
        assert choose_threshold(scores, has) == 0.5
        return
    between = (known[1:] + known[:-1]) / 2
    best = find_best_threshold(scores, has)
    figures = [f1_score(has, scores >= edge, zero_division=0) for edge in between]
    assert f1_score(has, scores >= best, zero_division=0) == pytest.approx(max(figures))


@pytest.mark.parametrize(("images", "way"), [(5, 0.2), (HALFWAY_IMAGES, 0.5), (60, 0.75)])
def test_more_images_bring_it_nearer(images: int, way: float) -> None:
    scores = np.repeat([0.3, 0.1], [images, 4 * images])
    has = np.repeat([1, 0], [images, 4 * images])
    assert find_best_threshold(scores, has) == pytest.approx(0.2)
    assert choose_threshold(scores, has) == pytest.approx(0.5 - 0.3 * way)


@pytest.mark.parametrize("has", [np.zeros(6, np.int64), np.ones(6, np.int64)])
def test_without_a_choice_it_is_one_half(has: np.ndarray) -> None:
    assert choose_threshold(np.linspace(0.1, 0.4, 6), has) == 0.5
    assert choose_threshold(np.full(6, 0.2), np.array([0, 1, 0, 1, 0, 1])) == 0.5
