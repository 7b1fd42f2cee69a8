"""Images with several labels from end to end: fit, go on, predict, inspect, probe, and what is written of them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sightx_cli import find_lr, fit, inspect, load_model, predict
from sightx_cli.api.probe import probe
from sightx_cli.bundle.facts import load_facts
from sightx_cli.errors import DataError, RunError, UsageError
from sightx_cli.progress import Recorder
from sightx_cli.results.fit import FitResult
from sightx_cli.task.multilabel import MultiLabel

SHORT = 'stage=[{train="head",epochs=1,rate=1e-2},{train="last:1",epochs=1,rate=1e-3}]'
LABELS = {"nought": "round", "one": "straight", "two": "round;straight"}
"""What the handwritten digits have: a two has both."""
OWN = {"mean_average_precision", "macro_roc_auc", "micro_roc_auc", "macro_f1", "micro_f1"}
OWN |= {"exact_match", "hamming_loss", "loss", "brier", "calibration_error"}
CALIBRATION = {"calibration_slope", "calibration_intercept"}
"""None where all labels are told apart."""


class Stopped(BaseException):
    """What ends a fit in the tests: nothing catches it."""


class StopAfter(Recorder):
    """Stops a fit once this many rows of its history are in the journal."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.left = rows

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which `runs/` appears."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def table(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of the digits with the strokes that each has, and of twelve blank pages, which have none."""
    folder = tmp_path_factory.mktemp("strokes")
    rows = [(str(path), LABELS[path.parent.name]) for path in sorted(digits.rglob("*.png"))]
    for number in range(12):
        page = np.random.default_rng(number).integers(0, 30, (64, 64)).astype(np.uint8)
        Image.fromarray(page).save(folder / f"blank{number}.png")
        rows.append((f"blank{number}.png", ""))
    parts = [("train", "train", "valid", "test")[place % 4] for place in range(len(rows))]
    frame = pd.DataFrame({"image": [row[0] for row in rows], "label": [row[1] for row in rows], "split": parts})
    frame.to_csv(folder / "strokes.csv", index=False)
    return folder / "strokes.csv"


@pytest.fixture(scope="module")
def how(table: Path, random_weights: Callable[[str], Path]) -> dict[str, Any]:
    """A fit of it by a small network of random weights."""
    return {
        "source": table,
        "recipe": "natural-small",
        "backbone": "test_resnet",
        "weights": random_weights("test_resnet"),
        "settings": ["image.size_px=32", "model.head.taps=all", SHORT],
    }


@pytest.fixture(scope="module")
def done(how: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """Such a fit, with folds."""
    with contextlib.chdir(tmp_path_factory.mktemp("done")):
        return fit(**how, folds=3)


def read_parts(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "metrics.json").read_text(encoding="utf-8")))


# --- fit ---


def test_a_fit_says_its_task_and_every_figure_with_its_interval(done: FitResult) -> None:
    found = done.to_json()
    assert (found["task"], found["classes"]) == ("multi-label", ["round", "straight"])
    for part in (found, found["test"], found["cross_validation"]):
        assert set(part["metrics"]) == OWN | CALIBRATION
        assert {name for name, value in part["metrics"].items() if value is not None} - CALIBRATION == OWN
        for name in OWN:
            low, high = part["intervals"][name]
            assert low <= part["metrics"][name] <= high
    assert found["best"]["metric"] == "mean_average_precision"
    assert found["metrics"]["mean_average_precision"] > 0.8


def test_what_was_assumed_and_chosen_stands_in_the_notices_and_the_plan(done: FitResult) -> None:
    notices = {one["kind"]: one for one in done.to_json()["notices"]}
    assert "24 of 84 images have several labels, such as round;straight, and 12 none" in notices["multi-label"]["text"]
    assert "round 0." in notices["thresholds"]["text"]
    plan = json.loads((done.run / "plan.json").read_text(encoding="utf-8"))
    assert plan["values"]["data.task"] == {"value": "multi-label", "origin": "data"}
    assert plan["values"]["training.metric"] == {"value": "mean_average_precision", "origin": "data"}
    assert {one["kind"] for one in plan["notices"]} >= {"multi-label", "thresholds"}


def test_a_model_in_memory_gives_the_labels_of_the_table(done: FitResult, table: Path, home: Path) -> None:
    predict(table.parent, model=done.run, output=home / "out.csv")
    rows = pd.read_csv(home / "out.csv", keep_default_na=False)
    answers = load_model(done.run).predict([Path(path).read_bytes() for path in rows["image"]])
    assert [(one.prediction, one.status) for one in answers] == list(
        zip(rows["predictions"], rows["status"], strict=True)
    )


def test_several_labels_are_tempered_before_their_thresholds_are_chosen_and_have_a_status(
    done: FitResult, table: Path, home: Path
) -> None:
    facts = load_facts(done.run)
    assert facts.temperature == done.to_json()["calibration"]["temperature"] != 1
    assert facts.sets is not None
    assert {len(floors) for floors in facts.sets.floors.values()} == {4}  # of having each label, and of not having it
    predict(table, model=done.run, output=home / "out.csv")
    found = pd.read_csv(home / "out.csv", keep_default_na=False)
    assert set(found["status"]) <= {"sure", "unsure", "unfamiliar"}
    given = found["predictions"].str.split(";")
    for name, edge in (facts.thresholds or {}).items():
        assert [name in labels for labels in given] == (found[f"p_{name}"] >= edge).tolist()
    predict(table, model=done.run, output=home / "kept.csv", abstain=True)
    kept = pd.read_csv(home / "kept.csv", keep_default_na=False)
    assert kept["predictions"].tolist() == found["predictions"].where(found["status"] == "sure", "").tolist()


def test_each_label_has_its_figures_by_part_and_the_run_a_picture_of_them(done: FitResult) -> None:
    for part in ("valid", "test"):
        written = read_parts(done.run)[part]
        assert written["confusion"] == []
        for one in written["classes"]:
            assert one["support"] == one["true_positives"] + one["false_negatives"]
            for name in ("sensitivity", "specificity", "roc_auc", "average_precision"):
                low, high = one["intervals"][name]
                assert low <= one[name] <= high
    assert (done.run / "labels.png").stat().st_size > 1_000
    assert not (done.run / "confusion.png").exists()
    out_of_fold = pd.read_csv(done.run / "out_of_fold.csv", keep_default_na=False)
    assert {"label", "predictions", "p_round", "p_straight"} <= set(out_of_fold)
    history = pd.read_csv(done.run / "history.csv")
    assert history["mean_average_precision"].notna().all()


def test_the_split_holds_every_label_and_keeps_the_cells(how: dict[str, Any], table: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv"
    frame = pd.read_csv(table, keep_default_na=False).drop(columns="split")
    frame["image"] = [str((table.parent / image).absolute()) for image in frame["image"]]
    frame.to_csv(whole, index=False)
    run = fit(**{**how, "source": whole}, folds=0).run
    split = pd.read_csv(run / "split.csv", keep_default_na=False)
    counts = split.groupby("split")["label"].value_counts().unstack(fill_value=0)
    assert counts.loc["valid"].to_dict() == {"": 2, "round": 5, "round;straight": 5, "straight": 5}
    assert set(split["label"]) == {"", "round", "round;straight", "straight"}


# --- the bundle ---


def test_the_bundle_gives_the_figures_reported_with_the_thresholds_it_keeps(done: FitResult, table: Path) -> None:
    facts = load_facts(done.run)
    assert isinstance(facts.task, MultiLabel)
    assert facts.thresholds == facts.task.list_thresholds()
    assert facts.thresholds is not None
    predict(table, model=done.run, output=Path("out.csv"))
    found = pd.read_csv("out.csv", keep_default_na=False)
    assert [name for name in found if name not in ("label", "split")] == [
        "image",
        "predictions",
        "status",
        "p_round",
        "p_straight",
        "error",
    ]
    truth = pd.read_csv(table, keep_default_na=False)
    for part, figures in (("valid", done.valid), ("test", done.test)):
        here = (truth["split"] == part).to_numpy()
        right = (found["predictions"][here] == truth["label"][here]).mean()
        assert figures is not None
        assert right == pytest.approx(figures.metrics["exact_match"])
    for _, row in found.iterrows():
        given = [name for name in facts.task.classes if float(row[f"p_{name}"]) >= facts.thresholds[name]]
        assert row["predictions"] == ";".join(given)


def test_other_thresholds_give_other_predictions_and_wrong_ones_are_refused(done: FitResult, table: Path) -> None:
    file = done.run / "bundle" / "bundle.json"
    before = file.read_text(encoding="utf-8")
    facts = json.loads(before)
    try:
        for thresholds, expected in (({"round": 0.0, "straight": 1.0}, "round"), ({"round": 1, "straight": 1}, "")):
            file.write_text(json.dumps({**facts, "thresholds": thresholds}), encoding="utf-8")
            predict(table, model=done.run, output=Path("all.csv"), overwrite=True)
            assert set(pd.read_csv("all.csv", keep_default_na=False)["predictions"]) == {expected}
        file.write_text(json.dumps({**facts, "thresholds": {"round": 0.5}}), encoding="utf-8")
        with pytest.raises(RunError, match="one for each label"):
            predict(table, model=done.run, output=Path("none.csv"))
    finally:
        file.write_text(before, encoding="utf-8")


@pytest.mark.parametrize("name", ["out.parquet", "out.jsonl"])
def test_a_table_of_any_format_has_the_labels_as_text(done: FitResult, table: Path, name: str) -> None:
    result = predict(table, model=done.run, output=Path(name))
    frame = pd.read_parquet(name) if name.endswith("parquet") else pd.read_json(name, lines=True)
    assert set(frame["predictions"]) <= {"", "round", "straight", "round;straight"}
    assert sum(result.counts.values()) == frame["predictions"].str.split(";").explode().ne("").sum()


def test_predictions_are_no_truth_to_learn_from(done: FitResult, table: Path, how: dict[str, Any]) -> None:
    predict(table.parent / "blank0.png", model=done.run, output=Path("guessed.csv"))
    with pytest.raises(DataError, match="has a column predictions and no label"):
        fit(**{**how, "source": Path("guessed.csv")})


# --- going on ---


@pytest.mark.slow
@pytest.mark.parametrize("rows", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_fit_that_was_stopped_becomes_the_run_that_it_would_have_been(how: dict[str, Any], rows: int) -> None:
    whole = fit(**how, out=Path("whole"), full=True).run
    with pytest.raises(Stopped):
        fit(**how, out=Path("begun"), full=True, listener=StopAfter(rows))
    again = fit(resume=Path("begun")).run
    for name in ("metrics.json", "split.csv", "bundle/weights.safetensors", "bundle/bundle.json"):
        one, other = (run / name for run in (whole, again))
        if name == "bundle/bundle.json":
            first, second = (json.loads(file.read_text(encoding="utf-8")) for file in (one, other))
            assert first["thresholds"] == second["thresholds"]
            continue
        assert one.read_bytes() == other.read_bytes()


def test_without_the_cache_every_layer_trains_on_images(how: dict[str, Any]) -> None:
    result = fit(**{**how, "settings": ["image.size_px=32", 'stage=[{train="all",epochs=1,rate=1e-3}]']}, cache=False)
    assert result.metrics["mean_average_precision"] is not None


# --- options ---


@pytest.mark.slow
def test_cells_are_single_labels_where_the_user_says_so(how: dict[str, Any], table: Path, tmp_path: Path) -> None:
    filled = tmp_path / "filled.csv"
    frame = pd.read_csv(table, keep_default_na=False)
    frame["image"] = [str((table.parent / image).absolute()) for image in frame["image"]]
    frame[frame["label"] != ""].to_csv(filled, index=False)
    result = fit(**{**how, "source": filled}, multi_label=False)
    assert (result.task, result.classes) == ("single-label", ("round", "round;straight", "straight"))


def test_a_metric_that_has_no_meaning_for_several_labels_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="metric=accuracy has no meaning for 2 labels"):
        fit(**{**how, "settings": [*how["settings"], "training.metric=accuracy"]})


# --- the other commands ---


def test_a_rate_is_found(how: dict[str, Any]) -> None:
    found = find_lr(**{**how, "settings": how["settings"][:2]}, out=Path("rate.png"))
    assert found.suggestions["valley"] > 0


def test_the_probe_compares_by_a_figure_of_several_labels(how: dict[str, Any]) -> None:
    found = probe(**{**how, "settings": how["settings"][:1]}, out=Path("probe.png"))
    assert found.probed.metric in ("mean_average_precision", "loss")
    assert {trial.setting for trial in found.probed.choices} >= {"model.head.taps"}


@pytest.mark.slow
def test_inspect_counts_labels_and_images_with_none_and_several(table: Path) -> None:
    result = inspect(table, out=Path("seen"))
    assert result.class_counts == {"round": 48, "straight": 48}
    facts = dict(result.facts)
    assert facts["labels"] == "12 images with none, 48 images with one, 24 images with several"
    assert any(one["kind"] == "multi-label" for one in result.to_json()["notices"])
    assert result.agreement is not None
