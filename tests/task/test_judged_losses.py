"""What is held against each image: its log loss at the best temperature, or how far its grade is from the true one."""

from __future__ import annotations

import numpy as np
import pytest

from sightx_cli.task.grades import Grades
from sightx_cli.task.judged_losses import measure_judged_losses, name_judged
from sightx_cli.task.single_label import SingleLabel

SHARES = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.2, 0.6, 0.2]], np.float32)
TARGETS = np.array([0, 2, 2, 0])


def test_grades_that_kappa_judges_are_held_to_their_squared_distance() -> None:
    losses = measure_judged_losses(Grades(("1", "2", "3")), "quadratic_kappa", SHARES, TARGETS)
    assert losses.tolist() == [0, 4, 0, 1]
    assert name_judged("quadratic_kappa") == "squared distance of grades"


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_a_log_loss_does_not_depend_on_how_sure_a_model_says_it_is(power: float) -> None:
    task = SingleLabel(("a", "b", "c"))
    shares, targets = np.tile(SHARES, (500, 1)), np.tile(TARGETS, 500)
    surer = shares**power / (shares**power).sum(1, keepdims=True)
    found = [measure_judged_losses(task, "accuracy", one, targets) for one in (shares, surer)]
    np.testing.assert_allclose(found[0], found[1], atol=2e-2)
    assert name_judged("accuracy") == "log loss"
