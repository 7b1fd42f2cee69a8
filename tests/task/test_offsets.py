"""Offsets that make unequal classes count the same on images that were not learned from."""

from __future__ import annotations

import numpy as np
import pytest

from sightx_cli.task.grades import Grades
from sightx_cli.task.offsets import LARGEST, fit_offsets
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import UNEQUAL

TASK = SingleLabel(("good", "defect"))


def draw_answers(rare: int, common: int, lean: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of a model that ranks well but leans towards the common class by `lean`."""
    generator = np.random.default_rng(0)
    targets = np.array([0] * common + [1] * rare)
    evidence = np.where(targets == 1, 1.0, -1.0) + generator.normal(0, 1, len(targets))
    return TASK.activate(np.column_stack([np.zeros(len(targets)), evidence - lean])), targets


def test_a_model_that_leans_to_the_common_class_finds_the_rare_one_with_offsets() -> None:
    probabilities, targets = draw_answers(40, 800)
    assert (TASK.decide(probabilities)[targets == 1] == 1).mean() < 0.1
    shifted = TASK.decide(TASK.shift(probabilities, TASK.fit_offsets(probabilities, targets)))
    assert (shifted[targets == 1] == 1).mean() > 0.75
    assert (shifted[targets == 0] == 0).mean() > 0.75


def test_every_class_is_predicted_with_the_same_mass_each_image_weighing_as_its_class() -> None:
    probabilities, targets = draw_answers(40, 800)
    shifted = TASK.shift(probabilities, TASK.fit_offsets(probabilities, targets))
    weights = TASK.weigh_images(targets) / len(targets)
    np.testing.assert_allclose(weights @ shifted, [0.5, 0.5], atol=1e-3)


def test_of_equal_classes_without_a_lean_nothing_is_shifted() -> None:
    probabilities, targets = draw_answers(500, 500, lean=0.0)
    assert np.abs(TASK.fit_offsets(probabilities, targets)).max() < 0.1


def test_offsets_are_finite_where_the_answers_are_certain_and_wrong_or_right() -> None:
    targets = np.array([0, 0, 0, 1])
    for certain in (TASK.activate(np.array([[99.0, 0.0]] * 4)), np.eye(2, dtype=np.float32)[targets]):
        offsets = TASK.fit_offsets(certain, targets)
        assert np.isfinite(offsets).all()
        assert np.abs(offsets).max() <= LARGEST


def test_a_class_without_images_takes_the_largest_offset() -> None:
    logs, shares = np.log(np.full((4, 3), 1 / 3)), np.eye(3)[[0, 0, 0, 1]]
    logs[:, 0] += 1.0
    offsets = fit_offsets(logs, shares, np.ones(4) / 4)
    assert offsets[2] == max(offsets)
    assert abs(offsets.mean()) < 1e-6


def test_grades_that_share_their_targets_are_shifted_towards_these_shares() -> None:
    task = Grades(("0", "1", "2"))
    targets = np.array([0] * 50 + [1] * 50 + [2] * 2)
    leaning = task.activate(np.column_stack([np.full(102, 2.0), np.zeros(102), np.full(102, -2.0)]))
    shifted = task.shift(leaning, task.fit_offsets(leaning, targets))
    mass = (task.weigh_images(targets) / len(targets)) @ shifted
    np.testing.assert_allclose(mass, task._list_shares().mean(0), atol=1e-3)


@pytest.mark.parametrize(("rare", "is_unequal"), [(11, False), (10, True), (9, True)])
def test_classes_are_unequal_from_a_stated_ratio_on(rare: int, is_unequal: bool) -> None:
    targets = np.array([0] * int(10 * UNEQUAL) + [1] * rare)
    assert TASK.is_unequal(targets) == is_unequal
    assert TASK.count_fewest(targets) == rare
    assert SingleLabel(("a", "b", "c")).measure_imbalance(targets) == pytest.approx(100 / rare)  # c does not occur


@pytest.mark.parametrize(
    ("task", "own", "chosen"),
    [
        (TASK, "accuracy", "balanced_accuracy"),
        (TASK, "roc_auc", "roc_auc"),
        (TASK, "loss", "loss"),
        (Grades(("0", "1", "2")), "accuracy", "quadratic_kappa"),
        (Grades(("0", "1", "2")), "roc_auc", "quadratic_kappa"),
    ],
)
def test_accuracy_chooses_nothing_where_classes_are_unequal_unless_the_user_says_so(
    task: SingleLabel, own: str, chosen: str
) -> None:
    assert task.choose_metric(own, by_user=False, is_unequal=True) == chosen
    assert task.choose_metric(own, by_user=True, is_unequal=True) == own
