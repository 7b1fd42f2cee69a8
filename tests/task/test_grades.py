"""Grades in order share their targets with their neighbours; all else is scikit-learn's logistic regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

from sightx_cli.probe.grade_regression import GradeRegression
from sightx_cli.probe.linear_head import solve_linear_head
from sightx_cli.task import grades
from sightx_cli.task.grades import is_graded, share_grades
from sightx_cli.train.losses import GradedCrossEntropy, build_loss


def load(classes: int = 4) -> tuple[Any, Any]:
    """Handwritten digits, standardised, of so many classes; class 1 is rarer."""
    known = load_digits()
    rows = np.flatnonzero((known.target < classes) & ((known.target != 1) | (np.arange(len(known.target)) % 3 == 0)))
    features = known.data[rows].astype(np.float32)
    return (features - features.mean(0)) / (features.std(0) + 1e-3), known.target[rows].astype(np.int64)


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
    found = GradeRegression(4, 1e-2, balanced, max_iter=500, tol=1e-6).fit(features, targets)
    rows, grade = np.repeat(np.arange(len(targets)), 4), np.tile(np.arange(4), len(targets))
    weights = share_grades(4)[targets].ravel()
    if balanced:
        weights = weights * np.repeat((len(targets) / (4 * np.bincount(targets)))[targets], 4)
    known = LogisticRegression(C=1e-2, max_iter=500, tol=1e-6).fit(features[rows], grade, sample_weight=weights)
    np.testing.assert_allclose(found.predict_proba(features), known.predict_proba(features), atol=5e-3)


def test_a_warm_start_ends_where_a_cold_one_does() -> None:
    features, targets = load()
    warm = GradeRegression(4, 1e-3, True, max_iter=500, tol=1e-6, warm_start=True).fit(features, targets)
    warm.set_params(C=1e-2).fit(features, targets)
    cold = GradeRegression(4, 1e-2, True, max_iter=500, tol=1e-6).fit(features, targets)
    np.testing.assert_allclose(warm.predict_proba(features), cold.predict_proba(features), atol=5e-3)


def test_a_grade_without_images_is_given_little_chance() -> None:
    features, targets = load()
    probabilities = GradeRegression(5, 1e-2, True).fit(features, targets).predict_proba(features)
    assert probabilities.shape == (len(targets), 5)
    assert probabilities[:, 4].mean() < 0.1


def test_sharing_mistakes_grades_less_far() -> None:
    features, targets = make_severity()
    train, valid = slice(0, 300), slice(300, None)
    kappas = {
        graded: cohen_kappa_score(
            targets[valid],
            solve_linear_head(features[train], targets[train], 5, True, graded=graded)
            .predict(features[valid])
            .argmax(1),
            weights="quadratic",
        )
        for graded in (True, False)
    }
    assert kappas[True] > kappas[False]


def test_two_classes_unordered_ones_and_a_recipe_that_says_no_share_nothing() -> None:
    assert is_graded(True, True, grades.FEWEST_GRADES)
    assert not is_graded(True, True, 2)
    assert not is_graded(False, True, 5)
    assert not is_graded(True, False, 5)


def test_the_loss_that_trains_is_the_one_that_is_solved() -> None:
    logits, targets = torch.randn(12, 4), torch.tensor([0, 1, 2, 3] * 3)
    weight = torch.tensor([1.0, 2.0, 0.5, 3.0])
    shares = torch.from_numpy(share_grades(4))[targets]
    each = torch.nn.functional.cross_entropy(logits, shares, reduction="none")
    expected = (each * weight[targets]).sum() / weight[targets].sum()
    torch.testing.assert_close(build_loss(weight, 0.0, 4)(logits, targets), expected)


def test_label_smoothing_lies_over_the_shared_targets() -> None:
    loss = GradedCrossEntropy(4, None, smoothing=0.2)
    torch.testing.assert_close(loss.shares.sum(1), torch.ones(4))
    assert float(loss.shares.min()) >= 0.05


def test_without_grades_the_loss_is_plain_cross_entropy() -> None:
    assert isinstance(build_loss(None, 0.1, 0), torch.nn.CrossEntropyLoss)
