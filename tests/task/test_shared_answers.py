"""Two models that know other classes are measured on what both can answer."""

from __future__ import annotations

import numpy as np

from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.shared_answers import find_shared_classes, share_answers
from sightx_cli.task.single_label import SingleLabel


def test_images_of_classes_that_one_does_not_know_are_left_out_and_wrong_answers_stay_wrong() -> None:
    earlier, today = SingleLabel(("a", "b")), SingleLabel(("b", "c"))
    shared = find_shared_classes(earlier, today, ["b", "c", "b"], ("a", "b", "c"))
    assert shared.rows.tolist() == [True, False, True]
    assert shared.targets.tolist() == [1, 1]
    then = share_answers(earlier, np.array([[0.9, 0.1], [0.2, 0.8]], np.float32), shared)
    now = share_answers(today, np.array([[0.7, 0.3], [0.6, 0.4]], np.float32), shared)
    assert then.task.measure_figures(then.probabilities, shared.targets)["accuracy"] == 0.5
    assert now.task.measure_figures(now.probabilities, shared.targets)["accuracy"] == 1.0
    assert now.probabilities.sum(axis=1).tolist() == [1.0, 1.0]


def test_labels_of_their_own_are_compared_where_both_ask_for_them_each_with_its_thresholds() -> None:
    earlier = MultiLabel(("a", "b"), "|").set_thresholds({"a": 0.9, "b": 0.2})
    today = MultiLabel(("b", "c"), ";").set_thresholds({"b": 0.7, "c": 0.5})
    shared = find_shared_classes(earlier, today, ["b;c", "c", ""], ("a", "b", "c"))
    assert shared.names == ("b",)
    assert shared.targets.tolist() == [[1], [0], [0]]
    then = share_answers(earlier, np.array([[0.0, 0.5]] * 3, np.float32), shared)
    now = share_answers(today, np.array([[0.5, 0.0]] * 3, np.float32), shared)
    assert then.task.decide(then.probabilities).tolist() == [[1], [1], [1]]
    assert now.task.decide(now.probabilities).tolist() == [[0], [0], [0]]
