"""Of two classes a stored threshold decides in figures and tables as in `predict`; what ranks them stays as it is."""

from __future__ import annotations

import numpy as np
import pytest

from sightx_cli.bundle.chosen_threshold import Decision
from sightx_cli.bundle.decided_label import decide_by_threshold, tell_decision
from sightx_cli.task.grades import Grades
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import Task

STORED = Decision(("ill",), 0.3, "sensitivity 0.95", "out of fold")
PROBABILITIES = np.array([[0.9, 0.1], [0.65, 0.35], [0.7, 0.3], [0.2, 0.8], [0.95, 0.05]], np.float32)
TARGETS = np.array([0, 1, 0, 1, 1])


@pytest.mark.parametrize("task", [SingleLabel(("healthy", "ill")), Grades(("healthy", "ill"), soft=False)], ids=repr)
def test_decisions_are_by_the_threshold_and_ranking_is_not(task: Task) -> None:
    decided = decide_by_threshold(task, STORED)
    assert (decided.kind, decided.describe()) == (task.kind, task.describe())
    assert decided.decide(PROBABILITIES).tolist() == [0, 1, 1, 1, 0]
    assert decided.fill_row(PROBABILITIES[1])["prediction"] == "ill"
    assert decided.fill_row(PROBABILITIES[1])["confidence"] == pytest.approx(0.35)
    assert decided.name_classes(PROBABILITIES[1]) == ("ill",)
    assert decided.measure_margins(PROBABILITIES) == pytest.approx([0.2, 0.05, 0, 0.5, 0.25], abs=1e-6)
    assert decided.measure_classes(PROBABILITIES, TARGETS).confusion == ((1, 1), (1, 2))
    before, after = (one.measure_figures(PROBABILITIES, TARGETS) for one in (task, decided))
    assert (before["accuracy"], after["accuracy"]) == (pytest.approx(0.6), pytest.approx(0.6))
    changed = {name for name in after if after[name] != before[name]}
    assert {"balanced_accuracy"} <= changed
    assert not changed & {"roc_auc", "average_precision", "loss", "brier", "calibration_error", "calibration_slope"}
    assert decided.measure_intervals(PROBABILITIES, TARGETS)["accuracy"] is not None


def test_of_several_classes_and_without_a_threshold_the_likeliest_is_given() -> None:
    three, two = SingleLabel(("healthy", "ill", "dead")), SingleLabel(("healthy", "ill"))
    assert decide_by_threshold(three, STORED) is three
    assert decide_by_threshold(two, None) is two


def test_what_decides_is_told_in_one_line() -> None:
    two = SingleLabel(("healthy", "ill"))
    assert tell_decision(two, None) is None
    assert tell_decision(SingleLabel(("a", "ill", "b")), STORED, keeps=True) is None
    told, later, first = tell_decision(two, STORED), tell_decision(two, STORED, True), tell_decision(two, None, True)
    assert told is not None
    assert later is not None
    assert first is not None
    assert "as predict does: ill from a probability of 0.300 on (sensitivity 0.95, out of fold); " in told.text
    assert "; sightx runs forget RUN takes it back." in told.text
    assert "; the one that is stored now decides from now on." in later.text
    assert "the likelier class of each image; the threshold that is stored now decides" in first.text
