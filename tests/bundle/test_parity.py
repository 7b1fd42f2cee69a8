"""Two forms of one model are held against each other on the same images."""

from __future__ import annotations

import numpy as np
import pytest

from sightx_cli.bundle.parity import SAME, hold_against
from sightx_cli.task.single_label import SingleLabel

TASK = SingleLabel(("a", "b"))
EXPECTED = np.array([[0.9, 0.1], [0.5002, 0.4998], [0.2, 0.8]], np.float32)


def test_the_same_answers_hold() -> None:
    parity = hold_against(TASK, EXPECTED, EXPECTED)
    assert (parity.images, parity.largest_difference, parity.changed, parity.holds) == (3, 0.0, (), True)


def test_an_image_with_another_label_is_named_however_little_moved() -> None:
    found = EXPECTED + np.array([[0, 0], [-0.0004, 0.0004], [0, 0]], np.float32)
    parity = hold_against(TASK, EXPECTED, found)
    assert (parity.changed, parity.holds) == ((1,), True)
    assert parity.largest_difference == pytest.approx(0.0004, abs=1e-6)


@pytest.mark.parametrize(("moved", "holds"), [(0.9 * SAME, True), (1.1 * SAME, False)])
def test_probabilities_may_differ_by_rounding_only(moved: float, holds: bool) -> None:
    found = EXPECTED + np.array([[-moved, moved], [0, 0], [0, 0]], np.float32)
    assert hold_against(TASK, EXPECTED, found).holds is holds
