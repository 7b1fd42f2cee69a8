"""What holds of every metric, whatever the answers: no crash, no warning, a finite interval around the figure."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as known
from sklearn.linear_model import LogisticRegression

from sightx_cli.metrics.answers import Answers
from sightx_cli.metrics.calibration_figures import assign_bins, linearise_slope, measure_intercept, measure_slope
from sightx_cli.metrics.figures import measure_answers
from sightx_cli.metrics.fold_intervals import measure_answer_folds
from sightx_cli.metrics.intervals import measure_answer_intervals
from sightx_cli.metrics.metric import GRADES, SINGLE_LABEL
from sightx_cli.metrics.part_curves import measure_curves
from sightx_cli.metrics.registry import METRICS


@st.composite
def draw_answers(draw: st.DrawFn) -> tuple[Answers, list[str]]:
    """A few images of a few classes, with ties, sure answers, classes without images and groups."""
    classes, images = draw(st.integers(2, 4)), draw(st.integers(1, 14))
    raw = np.array(
        draw(
            st.lists(st.lists(st.integers(0, 4), min_size=classes, max_size=classes), min_size=images, max_size=images)
        ),
        dtype=np.float64,
    )
    raw[raw.sum(axis=1) == 0] = 1.0
    truth = np.array(draw(st.lists(st.integers(0, classes - 1), min_size=images, max_size=images)))
    groups = draw(st.lists(st.sampled_from(["", "a", "b", "c"]), min_size=images, max_size=images))
    return Answers(raw / raw.sum(axis=1, keepdims=True), truth), groups


@given(draw_answers())
@settings(max_examples=150, deadline=None)
def test_every_figure_has_a_finite_interval_around_it_or_none(drawn: tuple[Answers, list[str]]) -> None:
    answers, groups = drawn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = measure_answers(answers, GRADES)
        intervals = measure_answer_intervals(answers, GRADES, groups)
    for name, value in figures.items():
        interval = intervals[name]
        if value is None:
            assert interval is None
            continue
        low, high = METRICS[name].limits
        assert math.isfinite(value)
        assert low - 1e-9 <= value <= high + 1e-9
        if interval is not None:
            assert all(map(math.isfinite, interval))
            assert interval[0] - 1e-9 <= value <= interval[1] + 1e-9
            assert interval[0] < interval[1]
            assert (interval[0], interval[1]) != METRICS[name].limits


@pytest.mark.slow
@given(draw_answers())
@settings(max_examples=60, deadline=None)
def test_folds_and_curves_of_any_answers_are_measured(drawn: tuple[Answers, list[str]]) -> None:
    answers, groups = drawn
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure_answer_folds(answers, np.arange(len(answers.truth)) % 3, GRADES, groups)
        found = measure_curves(answers, "abcd"[: answers.classes], groups)
    for curve in found.ranking:
        assert all(low <= up <= high for low, up, high in zip(curve.low, curve.up, curve.high, strict=True))


@given(draw_answers(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_order_of_images_changes_nothing(drawn: tuple[Answers, list[str]], seed: int) -> None:
    answers, _ = drawn
    order = np.random.default_rng(seed).permutation(len(answers.truth))
    there, here = (
        measure_answers(one, GRADES) for one in (answers, Answers(answers.scores[order], answers.truth[order]))
    )
    for name, value in there.items():
        assert here[name] == (None if value is None else pytest.approx(value, abs=1e-6))


def make_answers(images: int = 400, classes: int = 2, sureness: float = 1.0, seed: int = 0) -> Answers:
    """Answers of a model whose log-odds are so many times too large."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(0, 1.5, (images, classes))
    exact = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.array([chance.choice(classes, p=row) for row in exact])
    told = np.exp(sureness * logits)
    return Answers(told / told.sum(1, keepdims=True), truth)


def test_new_figures_are_those_of_scikit_learn() -> None:
    answers = make_answers(classes=3)
    found = measure_answers(answers, SINGLE_LABEL)
    truth, scores, predicted = answers.truth, answers.scores, answers.predicted
    assert found["average_precision"] == pytest.approx(
        known.average_precision_score(np.eye(3)[truth], scores, average="macro")
    )
    assert found["f1"] == pytest.approx(known.f1_score(truth, predicted, average="macro"))
    assert found["matthews"] == pytest.approx(known.matthews_corrcoef(truth, predicted))
    assert found["brier"] == pytest.approx(((scores - np.eye(3)[truth]) ** 2).sum(1).mean())
    two = make_answers()
    assert measure_answers(two, SINGLE_LABEL)["brier"] == pytest.approx(
        2 * known.brier_score_loss(two.truth, two.scores[:, 1])
    )


def test_the_slope_of_two_classes_is_that_of_a_logistic_regression() -> None:
    answers = make_answers(sureness=2.0)
    odds = np.log(answers.scores[:, 1] / answers.scores[:, 0])[:, None]
    fitted = LogisticRegression(C=1e12, tol=1e-10).fit(odds, answers.truth)
    assert measure_slope(answers) == pytest.approx(float(fitted.coef_[0, 0]), rel=1e-4)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("sureness", [0.5, 1.0, 3.0])
def test_the_slope_is_one_over_how_much_too_sure_the_answers_are(classes: int, sureness: float) -> None:
    slope = measure_slope(make_answers(6_000, classes, sureness))
    assert slope == pytest.approx(1 / sureness, rel=0.1)


def test_the_intercept_is_how_far_the_odds_are_off() -> None:
    answers = make_answers(6_000)
    odds = np.log(answers.scores[:, 1] / answers.scores[:, 0]) - 0.7
    shifted = 1 / (1 + np.exp(-odds))
    assert measure_intercept(Answers(np.stack([1 - shifted, shifted], 1), answers.truth)) == pytest.approx(0.7, abs=0.1)
    assert (measure_intercept(make_answers(6_000, 4, 3.0)) or 0) < -0.5  # of several classes: too sure


def test_what_is_told_apart_without_a_mistake_has_no_slope() -> None:
    truth = np.repeat([0, 1], 10)
    for sure in (0.51, 0.9, 1.0):
        right = Answers(np.where(truth[:, None] == np.arange(2), sure, 1 - sure), truth)
        assert measure_slope(right) is None
    assert measure_slope(Answers(np.full((20, 2), 0.5), truth)) is None  # nor what is the same for all
    three = Answers(np.eye(3)[np.repeat([0, 1, 2], 5)] * 0.7 + 0.1, np.repeat([0, 1, 2], 5))
    assert measure_slope(three) is None


def test_nearly_told_apart_has_a_slope_that_is_bounded() -> None:
    truth = np.repeat([0, 1], 50)
    scores = np.linspace(0.01, 0.99, 100)
    scores[[49, 50]] = scores[[50, 49]]
    found = linearise_slope(Answers(np.stack([1 - scores, scores], 1), truth))
    assert found is None or abs(found[0]) <= 100


@given(st.lists(st.integers(0, 30), min_size=1, max_size=300))
@settings(max_examples=80, deadline=None)
def test_bins_hold_equal_values_together_and_are_all_used(values: list[int]) -> None:
    bins = assign_bins(np.array(values, dtype=np.float64))
    assert sorted(set(bins.tolist())) == list(range(int(bins.max()) + 1))
    assert len({(value, one) for value, one in zip(values, bins.tolist(), strict=True)}) == len(set(values))
    assert int(bins.max()) + 1 <= max(1, min(10, len(values) // 10))


def test_the_calibration_error_of_sure_mistakes_is_their_share() -> None:
    truth = np.arange(100) % 2
    wrong = np.where(np.arange(100) < 20, 1 - truth, truth)
    found = measure_answers(Answers(np.eye(2)[wrong], truth), SINGLE_LABEL)
    assert found["calibration_error"] == pytest.approx(0.2)
