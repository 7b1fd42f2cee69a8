"""Each class has its figures against the rest, with intervals that know which images are independent."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from sightx_cli.metrics.class_figures import measure_classes
from sightx_cli.metrics.intervals import measure_wilson

GRADES = ("0", "1", "2")


def test_each_class_has_its_figures_and_support() -> None:
    report = measure_classes(np.eye(3)[[0, 0, 1, 1]], [0, 1, 1, 1], GRADES)
    assert report.confusion == ((1, 0, 0), (1, 2, 0), (0, 0, 0))
    assert [one.support for one in report.classes] == [1, 3, 0]
    assert [one.sensitivity for one in report.classes] == [1.0, pytest.approx(2 / 3), None]
    assert [one.precision for one in report.classes] == [one.ppv for one in report.classes] == [0.5, 1.0, None]
    assert [one.specificity for one in report.classes] == [pytest.approx(2 / 3), 1.0, 1.0]
    assert [one.npv for one in report.classes] == [1.0, 0.5, 1.0]


def test_the_json_of_a_class_names_what_has_no_meaning() -> None:
    found = measure_classes(np.eye(3)[[0, 0, 1, 1]], [0, 1, 1, 1], GRADES).to_json()["classes"]
    assert isinstance(found, list)
    assert found[2]["intervals"] == {
        "sensitivity": None,
        "specificity": measure_wilson(4, 4),
        "ppv": None,
        "npv": (measure_wilson(4, 4)),
    }
    assert {name: value for name, value in found[2].items() if name != "intervals"} == {
        "label": "2",
        "sensitivity": None,
        "precision": None,
        "ppv": None,
        "specificity": 1.0,
        "npv": 1.0,
        "support": 0,
    }


def test_shares_of_independent_images_have_wilsons_interval() -> None:
    chance = np.random.default_rng(0)
    truth, scores = chance.integers(0, 2, 200), chance.dirichlet([1, 1], 200)
    (tn, fp), (fn, tp) = confusion_matrix(truth, scores.argmax(1)).tolist()
    one = measure_classes(scores, truth, ("a", "b")).classes[1]
    assert one.intervals == {
        "sensitivity": measure_wilson(tp, tp + fn),
        "specificity": measure_wilson(tn, tn + fp),
        "ppv": measure_wilson(tp, tp + fp),
        "npv": measure_wilson(tn, tn + fn),
    }


def test_images_of_one_patient_count_as_the_patient_does() -> None:
    chance = np.random.default_rng(1)
    truth, right = chance.integers(0, 2, 60), chance.random(60) < 0.8
    scores = np.eye(2)[np.where(right, truth, 1 - truth)]
    patients = [f"p{place // 5}" for place in range(300)]
    alone = measure_classes(scores, truth, ("a", "b")).classes[1]
    repeated = measure_classes(scores.repeat(5, 0), truth.repeat(5), ("a", "b"), patients).classes[1]
    for name, interval in alone.intervals.items():
        wider = repeated.intervals[name]
        assert interval is not None
        assert wider is not None
        assert wider[1] - wider[0] == pytest.approx(interval[1] - interval[0], rel=0.1)
        assert wider[1] - wider[0] > interval[1] - interval[0]  # the spread of few patients is itself not known well


def test_a_class_without_a_mistake_is_not_certain_however_many_images_a_patient_has() -> None:
    truth = np.repeat([0, 1], 50)
    found = measure_classes(np.eye(2)[truth], truth, ("a", "b"), [f"p{place // 10}" for place in range(100)])
    low, high = found.classes[1].intervals["sensitivity"] or (1, 0)
    assert low < measure_wilson(5, 5)[0]
    assert high == 1
