"""A temperature makes probabilities mean what they say, and changes no decision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sightx_cli.task.grades import Grades
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import Task
from sightx_cli.task.temperature import FEWEST_IMAGES, HALFWAY_IMAGES, fit_temperature

CLASSES = ("a", "b", "c")
TASKS = [SingleLabel(CLASSES), Grades(CLASSES), MultiLabel(CLASSES)]


def draw(task: Task, images: int, sharpness: float, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Probabilities whose logits are `sharpness` times those that the targets were drawn by."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(images, 3)) * 2
    true = task.activate(logits)
    if isinstance(task, MultiLabel):
        targets = (generator.random((images, 3)) < true).astype(np.int64)
    else:
        targets = np.array([generator.choice(3, p=row / row.sum()) for row in true.astype(np.float64)])
    return task.activate(logits * sharpness), targets


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_with_many_images_it_is_how_many_times_too_sharp_the_logits_are(task: Task, sharpness: float) -> None:
    assert fit_temperature(task, *draw(task, 4000, sharpness)) == pytest.approx(sharpness, rel=0.1)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_tempered_probabilities_lose_less_on_other_images(task: Task) -> None:
    temperature = fit_temperature(task, *draw(task, 200, 3.0))
    probabilities, targets = draw(task, 2000, 3.0, seed=1)
    before = task.measure_losses(probabilities, targets).mean()
    assert task.measure_losses(task.temper(probabilities, temperature), targets).mean() < 0.8 * before


def test_few_images_go_part_of_the_way_and_fewer_none() -> None:
    task = TASKS[0]
    probabilities, targets = draw(task, HALFWAY_IMAGES, 3.0)
    halfway = fit_temperature(task, probabilities, targets)
    more = fit_temperature(task, np.tile(probabilities, (50, 1)), np.tile(targets, 50))
    assert 1 < halfway < more
    assert fit_temperature(task, probabilities[: FEWEST_IMAGES - 1], targets[: FEWEST_IMAGES - 1]) == 1.0


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_a_model_that_is_right_on_all_of_a_few_images_does_not_become_certain(task: Task) -> None:
    targets: Any = np.arange(30) % 3
    probabilities = np.full((30, 3), 0.1, np.float32)
    probabilities[np.arange(30), targets] = 0.8
    if isinstance(task, MultiLabel):
        targets = (probabilities > 0.5).astype(np.int64)
    assert task.temper(probabilities, fit_temperature(task, probabilities, targets)).max() < 0.99


shares = st.lists(st.floats(0, 1, width=32), min_size=3, max_size=3).filter(lambda row: sum(row) > 1e-3)


@given(shares, st.floats(0.2, 5))
@settings(max_examples=100, deadline=None)
def test_no_decision_between_classes_changes_by_it(row: list[float], temperature: float) -> None:
    probabilities = np.array([row], np.float32) / np.float32(sum(row))
    tempered = TASKS[0].temper(probabilities, temperature)
    assert np.isfinite(tempered).all()
    assert tempered[0, probabilities[0].argmax()] == tempered.max()
    assert tempered.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_probabilities_of_0_and_1_stay_finite_and_1_changes_nothing(task: Task) -> None:
    certain = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    assert np.isfinite(task.temper(certain, 2.0)).all()
    assert task.temper(certain, 1.0) is certain
