"""One class for each image: what is written, decided, weighed and solved follows from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sightx_cli.task.single_label import SingleLabel

TASK = SingleLabel(("ants", "bees", "wasps"))
PROBABILITIES = np.array([[0.5, 0.25, 0.25], [0.125, 0.25, 0.625]], np.float32)


def test_a_row_names_the_likeliest_class_and_every_probability() -> None:
    assert TASK.columns == ("prediction", "confidence", "p_ants", "p_bees", "p_wasps")
    row = TASK.fill_row(PROBABILITIES[1])
    assert row == {"prediction": "wasps", "confidence": 0.625, "p_ants": 0.125, "p_bees": 0.25, "p_wasps": 0.625}


def test_an_image_that_could_not_be_read_has_empty_cells() -> None:
    assert set(TASK.fill_row(None).values()) == {"", None}


def test_a_decision_is_that_of_the_likeliest_class_and_bears_half_the_distance_to_the_next() -> None:
    assert TASK.decide(PROBABILITIES).tolist() == [0, 2]
    assert TASK.measure_margins(PROBABILITIES).tolist() == [0.125, 0.1875]
    moved = PROBABILITIES + np.array([[-0.13, 0.13, 0.0], [0.18, 0.0, -0.18]], np.float32)
    assert TASK.differ(PROBABILITIES, moved).tolist() == [True, False]


def test_logits_become_the_same_probabilities_in_numpy_and_in_torch() -> None:
    logits = np.array([[1.0, 2.0, 500.0], [0.0, -3.0, 0.5]], np.float32)
    found = TASK.build_activation()(torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(TASK.activate(logits), found, atol=1e-7)


def test_labels_become_numbers_of_classes_and_a_class_without_images_is_named() -> None:
    targets = TASK.number(["wasps", "ants", "ants"])
    assert targets.tolist() == [2, 0, 0]
    assert TASK.find_missing(targets) == ["bees"]


def test_every_class_counts_as_much_however_rare() -> None:
    targets = np.array([0, 0, 0, 1, 2, 2])
    assert (TASK.weigh_classes(targets) * np.bincount(targets)).tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("seen", [[0, 1, 2], [0, 2], [1, 2]])
def test_a_class_that_was_not_seen_is_given_no_chance(seen: list[int]) -> None:
    generator = np.random.default_rng(0)
    targets = np.array(seen * 20)
    features = (targets[:, None] + generator.normal(0, 0.1, (len(targets), 4))).astype(np.float32)
    model = TASK.build_regression(1.0, False, 1e-4).fit(features, targets)
    found = model.predict(features)
    assert (found[:, [place for place in range(3) if place not in seen]] == 0).all()
    weight, bias = model.read()
    np.testing.assert_allclose(TASK.activate(features @ weight.T + bias)[:, seen], found[:, seen], atol=1e-3)


def test_of_a_single_class_there_is_nothing_to_solve() -> None:
    model = TASK.build_regression(1.0, False, 1e-4).fit(np.ones((3, 2), np.float32), np.array([1, 1, 1]))
    assert model.predict(np.zeros((2, 2), np.float32)).tolist() == [[0, 1, 0], [0, 1, 0]]


def test_a_class_is_held_against_the_mean_of_the_others() -> None:
    assert SingleLabel(("a", "b")).weigh_logits("b").tolist() == [-1, 1]
    assert SingleLabel(("a", "b", "c")).weigh_logits("a").tolist() == [1, -0.5, -0.5]
    assert SingleLabel(("a",)).weigh_logits("a").tolist() == [1]


def test_the_likeliest_class_is_named() -> None:
    assert SingleLabel(("a", "b", "c")).name_classes(np.array([0.2, 0.5, 0.3], np.float32)) == ("b",)
