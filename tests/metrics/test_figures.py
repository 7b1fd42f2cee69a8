from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, log_loss, roc_auc_score

from sightx_cli.errors import DataError, TrainingError
from sightx_cli.metrics.figures import is_better, measure_figures
from sightx_cli.metrics.registry import CHOOSING, METRICS, list_metrics

GRADES = ("0", "1", "2")


def make_scores(images: int = 200, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    scores = generator.dirichlet(np.ones(classes), images)
    guessed = generator.random(images) < 0.5
    return scores, np.where(guessed, scores.argmax(axis=1), generator.integers(0, classes, images))


def test_the_figures_are_those_of_scikit_learn() -> None:
    scores, truth = make_scores()
    figures = measure_figures(scores, truth, GRADES, kind="grades")
    predicted = scores.argmax(axis=1)
    assert tuple(figures) == tuple(list_metrics("grades"))
    assert figures["accuracy"] == pytest.approx((predicted == truth).mean())
    assert figures["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert figures["roc_auc"] == pytest.approx(roc_auc_score(truth, scores, multi_class="ovr"))
    assert figures["quadratic_kappa"] == pytest.approx(cohen_kappa_score(truth, predicted, weights="quadratic"))
    assert figures["loss"] == pytest.approx(log_loss(truth, scores))


def test_of_two_classes_the_roc_auc_is_that_of_class_1() -> None:
    scores, truth = make_scores(classes=2)
    figures = measure_figures(scores, truth, ("a", "b"), kind="single-label")
    assert figures["roc_auc"] == pytest.approx(roc_auc_score(truth, scores[:, 1]))


def test_what_has_no_meaning_is_none() -> None:
    scores, truth = make_scores()
    assert measure_figures(scores, truth, GRADES, kind="single-label")["quadratic_kappa"] is None
    assert measure_figures(scores[truth < 2], truth[truth < 2], GRADES, kind="grades")["roc_auc"] is None
    sure = np.eye(3)[[1, 1]]
    assert measure_figures(sure, [1, 1], GRADES, kind="grades")["quadratic_kappa"] is None


def test_a_class_without_images_does_not_count_in_balanced_accuracy() -> None:
    figures = measure_figures(np.eye(3)[[0, 0, 1, 2]], [0, 0, 1, 1], GRADES, kind="single-label")
    assert figures["balanced_accuracy"] == 0.75


def test_a_sure_mistake_costs_much_but_not_infinitely() -> None:
    loss = measure_figures(np.eye(2)[[0, 0]], [0, 1], ("a", "b"), kind="single-label")["loss"]
    assert loss == pytest.approx(-np.log(1e-12) / 2)


@pytest.mark.parametrize("metric", CHOOSING)
def test_better_is_higher_except_for_a_loss(metric: str) -> None:
    falls = METRICS[metric].lower_is_better
    assert falls == ("loss" in metric or metric == "brier")
    assert is_better(metric, 0.6, 0.5) != falls
    assert is_better(metric, 0.5, 0.6) == falls
    assert not is_better(metric, 0.5, 0.5)


def test_any_figure_is_better_than_none_and_none_is_never_better() -> None:
    assert is_better("roc_auc", 0.1, None)
    assert is_better("roc_auc", 0.1, float("nan"))
    assert not is_better("roc_auc", None, 0.1)
    assert not is_better("roc_auc", float("nan"), None)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(DataError, match="allowed are accuracy, balanced_accuracy"):
        is_better("calibration_slope", 1, 0)


def test_predictions_that_are_not_finite_are_counted() -> None:
    with pytest.raises(TrainingError, match="1 of 2 predictions are not finite"):
        measure_figures([[0.5, 0.5], [float("nan"), 0.5]], [0, 1], ("a", "b"), kind="single-label")


@pytest.mark.parametrize(("shape", "truth"), [((2, 3), [0, 1]), ((2, 2), [0]), ((2, 2), [0, 2]), ((0, 2), [])])
def test_shapes_that_do_not_fit_are_refused(shape: tuple[int, int], truth: list[int]) -> None:
    with pytest.raises(DataError):
        measure_figures(np.full(shape, 0.5), truth, ("a", "b"), kind="single-label")
