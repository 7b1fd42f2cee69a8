"""A model in memory says of every kind of label what a table of predictions says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightx_cli.bundle.chosen_threshold import Decision
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.bundle.memory_model import Model
from sightx_cli.bundle.predictor import NOT_FINITE, Predictor
from sightx_cli.engine.interface import PROBABILITIES, Images, Outputs
from sightx_cli.errors import DataError
from sightx_cli.task.kinds import load_task

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


class FixedForward:
    """A network that gives every image the same probabilities."""

    engine, precision, size_px, batch_images = "openvino", "float32", 32, 1

    def __init__(self, *probabilities: float) -> None:
        self.probabilities = np.array([probabilities], np.float32)

    def run(self, batches: Iterable[tuple[int, Images]]) -> Iterator[tuple[int, Outputs]]:
        for key, images in batches:
            yield key, {PROBABILITIES: self.probabilities.repeat(len(images), axis=0)}


def build_model(task: dict[str, Any], *probabilities: float, **more: Any) -> Model:
    kind = load_task(task).set_thresholds(more.pop("thresholds", None))
    half = (0.5, 0.5, 0.5)
    facts = replace(BundleFacts(kind, 32, "pad", half, half, "test_resnet", {}, "natural-small"), **more)
    return Model(Path("run"), Predictor(facts, FixedForward(*probabilities), 1))


SINGLE = {"kind": "single-label", "classes": ["a", "b", "c"]}
PAIR = {"kind": "single-label", "classes": ["a", "b"]}
SEVERAL = {"kind": "multi-label", "classes": ["a", "b", "c"], "separator": ";"}


def test_several_labels_are_joined_as_in_tables_and_have_no_one_confidence() -> None:
    thresholds = {"a": 0.5, "b": 0.9, "c": 0.2}
    answer = build_model(SEVERAL, 0.6, 0.8, 0.3, thresholds=thresholds).predict(PIXELS)
    assert (answer.prediction, answer.confidence) == ("a;c", None)
    assert answer.probabilities == pytest.approx({"a": 0.6, "b": 0.8, "c": 0.3})
    none = build_model(SEVERAL, 0.1, 0.8, 0.1, thresholds=thresholds).predict(PIXELS)
    assert (none.prediction, none.error) == ("", "")


def test_a_stored_threshold_of_two_classes_decides_the_prediction() -> None:
    decision = Decision(("b",), 0.2, "sensitivity 0.95", "valid")
    answer = build_model(PAIR, 0.7, 0.3, decision=decision).predict(PIXELS)
    assert (answer.prediction, answer.decision) == ("b", "")
    assert answer.confidence == pytest.approx(0.3)


@pytest.mark.parametrize(("threshold", "said"), [(0.3, "positive"), (0.5, "negative")])
def test_a_stored_threshold_over_some_of_several_classes_is_the_decision(threshold: float, said: str) -> None:
    decision = Decision(("b", "c"), threshold, "sensitivity 0.95", "valid")
    answer = build_model(SINGLE, 0.6, 0.2, 0.2, decision=decision).predict(PIXELS)
    assert (answer.prediction, answer.decision) == ("a", said)


def test_probabilities_are_calibrated() -> None:
    answer = build_model(PAIR, 0.9, 0.1, temperature=2.0).predict(PIXELS)
    assert answer.confidence == pytest.approx(0.75, abs=1e-5)  # of odds 9, the root


def test_an_answer_that_is_not_finite_is_an_error() -> None:
    model = build_model(PAIR, float("nan"), 0.1)
    assert [(one.prediction, one.error) for one in model.predict([PIXELS, PIXELS])] == [(None, NOT_FINITE)] * 2
    with pytest.raises(DataError, match=f"image: {NOT_FINITE}"):
        model.predict(PIXELS)


def test_an_answer_is_json() -> None:
    found = build_model(PAIR, 0.75, 0.25).predict(PIXELS).to_json()
    assert found.pop("seconds") >= 0
    assert found == {
        "prediction": "a",
        "confidence": 0.75,
        "probabilities": {"a": 0.75, "b": 0.25},
        "status": "",
        "decision": "",
        "error": "",
        "notes": [],
    }


def test_it_is_shown_in_a_line() -> None:
    assert repr(build_model(PAIR, 1, 0)) == "Model('run': test_resnet, 32 px, 2 classes)"
