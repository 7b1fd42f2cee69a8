"""The status of a prediction: sure, unsure, unfamiliar, or nothing where nothing tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sightx_cli.bundle.chosen_threshold import Decision
from sightx_cli.bundle.facts import BundleFacts, Sets
from sightx_cli.bundle.familiarity import Familiarity
from sightx_cli.bundle.judgement import judge, order_by_certainty
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel

FACTS = BundleFacts(SingleLabel(("a", "b")), 32, "squash", (0.5,) * 3, (0.5,) * 3, "test_resnet", {}, "mine")
SETS = Sets(0.9, {"0.9": (0.4, 0.4)}, "valid", 100)
FAMILIARITY = Familiarity(4, 0.5, 3, 10)
PROBABILITIES = np.array([[0.9, 0.1], [0.55, 0.45], [0.2, 0.8]], np.float32)
DISTANCES = np.array([0.1, 0.2, 0.9], np.float32)


def test_an_unfamiliar_image_is_that_however_sure_the_model_is() -> None:
    facts = replace(FACTS, sets=SETS, familiarity=FAMILIARITY)
    assert judge(facts, PROBABILITIES, DISTANCES).statuses == ["sure", "unsure", "unfamiliar"]


def test_nothing_is_claimed_that_nothing_tells() -> None:
    assert judge(FACTS, PROBABILITIES).statuses == ["", "", ""]
    assert judge(replace(FACTS, familiarity=FAMILIARITY), PROBABILITIES, DISTANCES).statuses == ["", "", "unfamiliar"]
    assert judge(replace(FACTS, sets=SETS), PROBABILITIES).statuses == ["sure", "unsure", "sure"]


def test_what_a_stored_threshold_decides_is_what_the_status_is_of() -> None:
    decision = Decision(("b",), 0.1, "sensitivity 0.95", "valid")
    found = judge(replace(FACTS, sets=SETS, decision=decision), PROBABILITIES)
    assert found.decided.tolist() == [1, 1, 1]
    assert found.statuses == ["unsure", "unsure", "sure"]


def test_several_labels_are_unsure_where_one_of_them_lies_between_having_and_not() -> None:
    task = MultiLabel(("a", "b"), thresholds=(0.5, 0.5))
    sets = Sets(0.9, {"0.9": (0.6, 0.3, 0.6, 0.6)}, "valid", 100)
    found = judge(replace(FACTS, task=task, sets=sets), np.array([[0.9, 0.1], [0.9, 0.35], [0.45, 0.9]], np.float32))
    assert found.statuses == ["sure", "unsure", "sure"]


def test_certainty_takes_the_shares_of_classes_into_account_where_the_model_does_not() -> None:
    shared = replace(FACTS, sets=replace(SETS, shares=(0.9, 0.1)))
    assert judge(shared, PROBABILITIES).certainty.tolist() == pytest.approx([0.9878, 0.9167, 0.3077], abs=1e-4)
    assert judge(FACTS, PROBABILITIES).certainty.tolist() == pytest.approx([0.9, 0.55, 0.8])


def test_images_are_kept_in_the_order_of_status_then_certainty() -> None:
    statuses, certainty = ["unsure", "sure", "unfamiliar", "sure"], np.array([0.9, 0.6, 1.0, 0.7], np.float32)
    assert order_by_certainty(statuses, certainty).tolist() == [3, 1, 0, 2]
    assert order_by_certainty([""] * 4, certainty).tolist() == [2, 0, 3, 1]
