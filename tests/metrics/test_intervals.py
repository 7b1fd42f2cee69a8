"""Intervals hold their figure, widen for groups and few images, and are never certain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightx_cli.metrics.answers import check_answers
from sightx_cli.metrics.figures import measure_figures
from sightx_cli.metrics.intervals import Interval, measure_intervals, measure_score, measure_wilson
from sightx_cli.metrics.registry import METRICS, list_metrics

GRADES = ("0", "1", "2")
OF_GRADES = [name for name, metric in METRICS.items() if "grades" in metric.kinds]


def make_scores(images: int = 150, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    scores = generator.dirichlet(np.ones(3), images).round(1)  # rounded: ties
    scores /= scores.sum(1, keepdims=True)
    guessed = generator.random(images) < 0.5
    return scores, np.where(guessed, scores.argmax(axis=1), generator.integers(0, 3, images))


def test_wilson_gives_the_published_interval() -> None:
    assert measure_wilson(146, 153) == pytest.approx((0.909, 0.978), abs=6e-4)
    assert measure_wilson(5, 5)[1] == 1.0
    assert measure_wilson(0, 5)[0] == 0.0


@given(st.integers(1, 2_000), st.data())
@settings(max_examples=60, deadline=None)
def test_wilson_is_scipys(total: int, data: st.DataObject) -> None:
    from scipy.stats import binomtest

    right = data.draw(st.integers(0, total))
    known = binomtest(right, total).proportion_ci(method="wilson")
    assert measure_wilson(right, total) == pytest.approx((known.low, known.high), abs=1e-6)


@given(st.floats(0, 1), st.floats(0.5, 5_000), st.floats(1.96, 13))
@settings(max_examples=200, deadline=None)
def test_a_score_interval_holds_its_share_and_never_reaches_both_ends(
    share: float, images: float, quantile: float
) -> None:
    low, high = measure_score(share, images, quantile)
    assert 0 <= low <= share <= high <= 1
    assert 0 < high - low < 1


def test_every_interval_holds_its_figure() -> None:
    scores, truth = make_scores()
    figures = measure_figures(scores, truth, GRADES, kind="grades")
    intervals = measure_intervals(scores, truth, GRADES, kind="grades")
    assert list(intervals) == list(figures) == list(list_metrics("grades"))
    for name in OF_GRADES:
        interval = intervals[name]
        assert interval is not None
        assert interval[0] < figures[name] < interval[1]


def test_more_images_give_narrower_intervals() -> None:
    few, many = (measure_intervals(*make_scores(images), GRADES, kind="grades") for images in (60, 600))
    for name in OF_GRADES:
        assert width(many[name]) < width(few[name]) / 2


def test_what_has_no_figure_has_no_interval() -> None:
    scores, truth = make_scores()
    some = truth < 2
    intervals = measure_intervals(scores[some], truth[some], GRADES, kind="single-label")
    assert intervals["roc_auc"] is None
    assert intervals["quadratic_kappa"] is None
    assert intervals["balanced_accuracy"] is not None


@pytest.mark.parametrize("name", OF_GRADES)
def test_a_resample_is_measured_as_the_images_it_stands_for(name: str) -> None:
    scores, truth = make_scores(600)
    places = np.random.default_rng(3).integers(0, len(truth), len(truth))
    weights = np.bincount(places, minlength=len(truth))[None].astype(float)
    resampled = METRICS[name].resample(check_answers(scores, truth, GRADES), weights)
    measured = measure_figures(scores[places], truth[places], GRADES, kind="grades")[name]
    assert resampled is not None
    moves = name.startswith("calibration")  # its bins are those of all images, or it moves one step from their fit
    assert resampled[0] == pytest.approx(measured, abs=0.02 if moves else 1e-9)


@pytest.mark.parametrize("name", OF_GRADES)
@pytest.mark.parametrize("classes", [2, 3])
def test_contributions_sum_to_nothing_and_spread_as_resamples_do(name: str, classes: int) -> None:
    chance = np.random.default_rng(0)
    scores = chance.dirichlet(np.ones(classes), 600)
    truth = np.where(chance.random(600) < 0.5, scores.argmax(axis=1), chance.integers(0, classes, 600))
    answers = check_answers(scores, truth, GRADES[:classes])
    value, contributions = METRICS[name].linearise(answers) or (0.0, np.empty(0))
    assert value == pytest.approx(METRICS[name].measure(answers))
    assert contributions.sum() == pytest.approx(0, abs=1e-6)
    weights = chance.multinomial(600, np.full(600, 1 / 600), 400).astype(float)
    counted = METRICS[name].resample(answers, weights)
    assert counted is not None
    if name != "calibration_error":  # a sum of absolute values: each resample may turn some of them around
        assert np.corrcoef(counted, weights @ contributions)[0, 1] > 0.97
    assert METRICS[name].resample(answers, np.ones((1, 600))) == pytest.approx([value])


def make_patients() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """20 patients of 50 images, each patient with a share right of its own: about 0.7 of all."""
    generator = np.random.default_rng(5)
    truth = np.tile([0, 1], 500)
    right = generator.random(1000) < np.repeat(generator.beta(1.4, 0.6, 20), 50)
    sure = np.where(right, 0.8, 0.2) + generator.normal(0, 0.02, 1000)
    scores = np.where(truth[:, None] == np.arange(2), sure[:, None], 1 - sure[:, None])
    return scores, truth, [f"p{place // 50}" for place in range(1000)]


def width(interval: Interval | None) -> float:
    assert interval is not None
    return interval[1] - interval[0]


def test_images_of_one_patient_are_not_independent_evidence() -> None:
    scores, truth, patients = make_patients()
    by_image = measure_intervals(scores, truth, ("a", "b"), "single-label")
    by_patient = measure_intervals(scores, truth, ("a", "b"), "single-label", patients)
    for name in ("accuracy", "balanced_accuracy", "roc_auc", "loss", "f1", "matthews", "brier"):
        assert width(by_patient[name]) > 2.5 * width(by_image[name])


def test_groups_of_one_image_each_change_nothing() -> None:
    scores, truth, _ = make_patients()
    alone = [f"p{place}" for place in range(1000)]
    assert measure_intervals(scores, truth, ("a", "b"), "single-label", alone) == measure_intervals(
        scores, truth, ("a", "b"), "single-label"
    )


@pytest.mark.parametrize("together", [[], [f"p{place // 2}" for place in range(40)]])
@pytest.mark.parametrize("sure", [0.6, 0.9, 1.0])
def test_all_right_is_never_certain(together: list[str], sure: float) -> None:
    truth = np.repeat([0, 1], [30, 10])
    scores = np.where(truth[:, None] == np.arange(2), sure, 1 - sure)
    found = measure_intervals(scores, truth, ("a", "b"), "grades", together)
    for name in ("accuracy", "balanced_accuracy", "roc_auc", "average_precision", "f1", "matthews", "quadratic_kappa"):
        low, high = found[name] or (1.0, 0.0)
        assert 0.2 < low < 0.95
        assert high == 1.0
    for name in ("loss", "brier", "calibration_error", "calibration_slope", "calibration_intercept"):
        interval = found[name]
        assert interval is None or interval[0] < interval[1]


def test_fewer_patients_than_images_are_never_surer_where_nothing_is_wrong() -> None:
    truth = np.tile([0, 1], 50)
    scores = np.eye(2)[truth]
    by_image, by_patient = (
        measure_intervals(scores, truth, ("a", "b"), "grades", together)
        for together in ([], [f"p{place // 10}" for place in range(100)])
    )
    for name in ("accuracy", "balanced_accuracy", "roc_auc", "average_precision", "f1", "matthews", "quadratic_kappa"):
        assert width(by_patient[name]) > width(by_image[name])


def test_no_interval_reaches_what_the_figure_cannot_be() -> None:
    found = measure_intervals(np.array([[0.86, 0.14]]), np.array([0]), ("a", "b"), "single-label")
    for name, highest in (("brier", 2.0), ("calibration_error", 1.0)):
        interval = found[name]
        assert interval is not None
        assert 0 <= interval[0] <= interval[1] <= highest
