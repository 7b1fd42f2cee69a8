"""Grades in order share their targets with their neighbours; all else is scikit-learn's logistic regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from sightx_cli.probe.linear_head import solve_linear_head
from sightx_cli.task.grades import FEWEST_GRADES, Grades, build_shared_loss, share_grades
from sightx_cli.task.single_label import SingleLabel


def load(classes: int = 4) -> tuple[Any, Any]:
    """Handwritten digits, standardised, of this many classes; class 1 is rarer."""
    known = load_digits()
    rows = np.flatnonzero((known.target < classes) & ((known.target != 1) | (np.arange(len(known.target)) % 3 == 0)))
    features = known.data[rows].astype(np.float32)
    return (features - features.mean(0)) / (features.std(0) + 1e-3), known.target[rows].astype(np.int64)


def make_grades(grades: int, soft: bool = True) -> Grades:
    return Grades(tuple(map(str, range(grades))), soft)


def make_severity(images: int = 600) -> tuple[Any, Any]:
    """Features of a severity that was measured with noise, graded 0 to 4: neighbours are mistaken for each other."""
    chance = np.random.default_rng(0)
    severity = chance.uniform(0, 5, images)
    features = severity[:, None] / 2 + chance.normal(0, 1, (images, 30))
    return features.astype(np.float32), (severity + chance.normal(0, 0.5, images)).clip(0, 4.99).astype(np.int64)


def test_a_grade_shares_with_its_neighbours_and_hardly_beyond() -> None:
    shares = share_grades(5)
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-6)
    assert shares[2, 2] == shares[2].max()
    np.testing.assert_allclose(shares[2, 1] / shares[2, 2], np.exp(-2), rtol=1e-5)
    assert shares[2, 0] < 1e-3


@pytest.mark.parametrize("balanced", [True, False])
def test_it_is_the_regression_of_scikit_learn_on_each_image_once_per_grade(balanced: bool) -> None:
    features, targets = load()
    found = make_grades(4).build_regression(1e-2, balanced, 1e-4).fit(features, targets)
    rows, grade = np.repeat(np.arange(len(targets)), 4), np.tile(np.arange(4), len(targets))
    weights = share_grades(4)[targets].ravel()
    if balanced:
        weights = weights * np.repeat((len(targets) / (4 * np.bincount(targets)))[targets], 4)
    known = LogisticRegression(C=1e-2, max_iter=500, tol=1e-6).fit(features[rows], grade, sample_weight=weights)
    np.testing.assert_allclose(found.predict(features), known.predict_proba(features), atol=1e-3)


def test_a_warm_start_ends_where_a_cold_one_does() -> None:
    features, targets = load()
    warm = make_grades(4).build_regression(1e-3, True, 1e-4, warm_start=True).fit(features, targets)
    warm.set_strength(1e-2)
    warm.fit(features, targets)
    cold = make_grades(4).build_regression(1e-2, True, 1e-4).fit(features, targets)
    np.testing.assert_allclose(warm.predict(features), cold.predict(features), atol=1e-3)


def test_a_grade_without_images_is_given_little_chance() -> None:
    features, targets = load()
    probabilities = make_grades(5).build_regression(1e-2, True, 1e-3).fit(features, targets).predict(features)
    assert probabilities.shape == (len(targets), 5)
    assert probabilities[:, 4].mean() < 0.1


def test_sharing_mistakes_grades_less_far() -> None:
    features, targets = make_severity()
    train, valid = slice(0, 300), slice(300, None)
    kappas = {}
    for soft in (True, False):
        task = make_grades(5, soft)
        found = solve_linear_head(features[train], targets[train], task, True).predict(features[valid])
        kappas[soft] = task.measure_figures(found, targets[valid])["quadratic_kappa"] or 0.0
    assert kappas[True] > kappas[False]


def test_two_grades_and_a_recipe_that_says_no_share_nothing() -> None:
    assert make_grades(FEWEST_GRADES).shares
    assert not make_grades(FEWEST_GRADES - 1).shares
    assert not make_grades(FEWEST_GRADES, soft=False).shares
    assert not make_grades(FEWEST_GRADES).plain().shares


def test_the_loss_that_trains_is_the_one_that_is_solved() -> None:
    logits, targets = torch.randn(12, 4), torch.tensor([0, 1, 2, 3] * 3)
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0])
    shares = torch.from_numpy(share_grades(4))[targets]
    each = torch.nn.functional.cross_entropy(logits, shares, reduction="none")
    expected = (each * weight[targets]).sum() / weight[targets].sum()
    torch.testing.assert_close(make_grades(4).build_loss(weight, 0.0)(logits, targets), expected)


def test_label_smoothing_lies_over_the_shared_targets() -> None:
    logits, targets = torch.randn(12, 4), torch.tensor([0, 1, 2, 3] * 3)
    smoothed = build_shared_loss(0.8 * share_grades(4) + np.float32(0.05), None)
    torch.testing.assert_close(make_grades(4).build_loss(None, 0.2)(logits, targets), smoothed(logits, targets))


def test_where_nothing_is_shared_the_loss_is_plain_cross_entropy() -> None:
    for task in (make_grades(2), SingleLabel(("a", "b", "c"))):
        assert isinstance(task.build_loss(None, 0.1), torch.nn.CrossEntropyLoss)


@pytest.mark.parametrize(
    ("own", "by_user", "chosen"),
    [("roc_auc", False, "quadratic_kappa"), ("roc_auc", True, "roc_auc"), ("loss", False, "loss")],
)
def test_kappa_takes_the_place_of_an_area_that_knows_no_order(own: str, by_user: bool, chosen: str) -> None:
    assert make_grades(4).choose_metric(own, by_user) == chosen


def test_grades_are_counted_in_words() -> None:
    assert make_grades(5).describe() == "5 grades in order"
