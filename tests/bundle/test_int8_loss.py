"""What 8-bit numbers may cost: one label in a hundred, and no more accuracy than chance would explain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sightx_cli.bundle.int8_loss import find_loss
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel

TASK = SingleLabel(("ant", "bee"))


def answer(decisions: Any) -> Any:
    """Return probabilities of two classes that decide so."""
    return np.where(np.asarray(decisions)[:, None] == [0, 1], 0.8, 0.2).astype(np.float32)


def change(decisions: Any, images: int) -> Any:
    changed = np.array(decisions)
    changed[:images] = 1 - changed[:images]
    return changed


TRUTH = np.arange(200) % 2
LABELS = [TASK.classes[number] for number in TRUTH]


@pytest.mark.parametrize(("changed", "refused"), [(0, False), (2, False), (3, True)])
def test_one_label_in_a_hundred_may_change(changed: int, refused: bool) -> None:
    model = change(TRUTH[::-1], 20)[::-1]  # the last twenty are mistakes, and stay
    why = find_loss(TASK, LABELS, answer(model), answer(change(model, changed)))
    assert bool(why) == refused
    if refused:
        assert why == ("3 of 200 validation images get another label than by this model (98.5% agree; 99% must)")


def test_the_accuracy_may_not_fall_by_more_than_half_of_its_interval() -> None:
    truth = np.arange(2000) % 2
    labels = [TASK.classes[number] for number in truth]
    why = find_loss(TASK, labels, answer(truth), answer(change(truth, 20)))
    assert why.startswith("accuracy falls from 1.000 to 0.990 on 2,000 validation images; 0.0")
    assert find_loss(TASK, labels, answer(truth), answer(change(truth, 1))) == ""


def test_several_labels_are_judged_by_the_figure_of_their_decisions() -> None:
    task = MultiLabel(("ant", "bee"))
    truth = np.arange(3000) % 3  # ant, bee, both
    given = np.stack([truth != 1, truth != 0], axis=1)
    labels = [task.separator.join(np.array(task.classes)[row]) for row in given]
    model = np.where(given, 0.9, 0.1).astype(np.float32)
    worse = model.copy()
    worse[:25] = 0.1
    assert find_loss(task, labels, model, model) == ""
    assert "falls from 1.000 to 0.99" in find_loss(task, labels, model, worse)
