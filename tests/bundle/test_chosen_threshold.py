"""A threshold of one's own decides: between two classes, or which of several count as positive."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from sightx_cli import predict
from sightx_cli.bundle.chosen_threshold import Decision, check_decision
from sightx_cli.bundle.facts import keep_decision, load_facts
from sightx_cli.errors import RunError, UsageError
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

TWO, THREE = SingleLabel(("healthy", "ill")), SingleLabel(("a", "b", "c"))
PROBABILITIES = np.array([[0.9, 0.1], [0.7, 0.3], [0.69, 0.31], [0.2, 0.8]], np.float32)


def decide(*positive: str, threshold: float = 0.3) -> Decision:
    return Decision(positive, threshold, "sensitivity 0.95", "out of fold")


def test_of_two_classes_the_positive_one_is_given_where_its_probability_reaches_the_threshold() -> None:
    assert decide("ill").decide(PROBABILITIES, TWO).tolist() == [0, 1, 1, 1]
    assert decide("healthy", threshold=0.7).decide(PROBABILITIES, TWO).tolist() == [0, 0, 1, 1]


def test_of_several_classes_the_summed_probability_decides_and_the_likeliest_class_stays() -> None:
    rows = np.array([[0.5, 0.2, 0.3], [0.71, 0.15, 0.14]], np.float32)
    assert decide("b", "c").find_positive(rows, THREE).tolist() == [True, False]
    assert decide("b", "c").decide(rows, THREE).tolist() == [0, 0]


@pytest.mark.parametrize("positive", [(), ("x",), ("a", "a"), ("a", "b", "c")], ids=str)
def test_positives_are_some_of_the_classes(positive: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        check_decision(decide(*positive), THREE)


def test_several_labels_have_thresholds_of_their_own() -> None:
    with pytest.raises(ValueError, match="each label has its own threshold"):
        check_decision(decide("a"), MultiLabel(("a", "b", "c")))


@pytest.fixture
def run(digits_run: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run, to be changed, beside the current folder's output."""
    shutil.copytree(digits_run.run, tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "run"


def test_a_decision_that_is_kept_is_what_predict_says_afterwards(run: Path, digits: Path) -> None:
    before = load_facts(run)
    kept = keep_decision(run, decide("one", "two", threshold=0.999))
    assert load_facts(run).decision == kept.decision
    assert load_facts(run).files == before.files
    result = predict(digits, model=run)
    table = pd.read_csv("predictions.csv", keep_default_na=False)
    assert list(table)[:6] == ["image", "prediction", "confidence", "status", "decision", "p_nought"]
    reached = table["p_one"] + table["p_two"] >= 0.999 - 2e-6
    assert table["decision"].tolist() == ["positive" if one else "negative" for one in reached]
    assert set(table["decision"]) == {"positive", "negative"}
    assert result.to_json()["decision"] == json.loads((run / "bundle" / "bundle.json").read_text())["decision"]
    keep_decision(run, None)
    predict(digits, model=run, output=Path("again.csv"))
    assert "decision" not in pd.read_csv("again.csv")


def test_a_decision_of_other_classes_is_refused_and_changes_nothing(run: Path) -> None:
    text = (run / "bundle" / "bundle.json").read_bytes()
    with pytest.raises(UsageError, match="seven"):
        keep_decision(run, decide("seven"))
    assert (run / "bundle" / "bundle.json").read_bytes() == text


def test_a_bundle_that_was_tampered_with_is_not_sealed_again(run: Path) -> None:
    (run / "bundle" / "graph.bin").write_bytes(b"another")
    with pytest.raises(RunError, match="is not the file that fit wrote"):
        keep_decision(run, decide("one"))


def test_an_interrupted_prediction_does_not_go_on_with_another_decision(run: Path, digits: Path) -> None:
    from sightx_cli.api.predict import identify
    from sightx_cli.data.layout import Layout
    from sightx_cli.data.queries import build_query

    query = build_query([digits], Layout())
    before = identify(query, load_facts(run))
    keep_decision(run, decide("one"))
    assert len({before, identify(query, load_facts(run)), identify(query, load_facts(run), abstains=True)}) == 3
