"""Reports of several labels, of parts, of thresholds, calibration and abstention: each number is in metrics.json."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sightx_cli import fit
from sightx_cli.report.decision_sections import build_threshold
from sightx_cli.report.report_page import write_report
from tests.report.report_numbers import find_strange_numbers

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

LABELS = {"nought": "round", "one": "straight", "two": "round;straight"}


@pytest.fixture(scope="module")
def labels_run(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """A fit of digits that have several labels, with a test part; some are blank and have none."""
    home = tmp_path_factory.mktemp("labels")
    rows = [(str(path), LABELS[path.parent.name]) for path in sorted(digits.rglob("*.png"))]
    for number in range(12):
        page = np.random.default_rng(number).integers(0, 30, (64, 64)).astype(np.uint8)
        Image.fromarray(page).save(home / f"blank{number}.png")
        rows.append((f"blank{number}.png", ""))
    parts = [("train", "train", "valid", "test")[place % 4] for place in range(len(rows))]
    frame = pd.DataFrame({"image": [row[0] for row in rows], "label": [row[1] for row in rows], "split": parts})
    frame.to_csv(home / "strokes.csv", index=False)
    with contextlib.chdir(home):
        return fit(home / "strokes.csv", recipe="natural-small", settings=("image.size_px=64", "stage.0.epochs=1"))


def read(folder: Path, name: str = "report.html") -> str:
    return (folder / name).read_text(encoding="utf-8")


def test_several_labels_have_a_report_with_each_label_in_place_of_the_matrix(labels_run: FitResult) -> None:
    page = read(labels_run.run)
    assert "Each label" in page
    assert "What is taken for what" not in page
    assert find_strange_numbers(page, read(labels_run.run, "metrics.json")) == []
    assert find_strange_numbers(read(labels_run.run, "model_card.md"), read(labels_run.run, "metrics.json")) == []


def test_a_test_part_comes_first_and_has_the_pictures(labels_run: FitResult) -> None:
    page = read(labels_run.run)
    assert page.index("How good it is: the test images") < page.index("How good it is: the validation images")
    names = {one["image"] for one in json.loads(read(labels_run.run, "metrics.json"))["pictures"]["least_sure"]}
    split = pd.read_csv(labels_run.run / "split.csv", keep_default_na=False).set_index("image")["split"]
    assert {split[name] for name in names} == {"test"}


def complete(digits_run: FitResult, folder: Path, **more: Any) -> str:
    content = json.loads(read(digits_run.run, "metrics.json")) | more
    (folder / "metrics.json").write_text(json.dumps(content))
    page = write_report(folder).read_text(encoding="utf-8")
    assert find_strange_numbers(page, read(folder, "metrics.json")) == []
    return page


def test_a_threshold_is_shown_with_what_it_reaches_and_at_another_prevalence(
    digits_run: FitResult, tmp_path: Path
) -> None:
    shares = {"sensitivity": 0.917, "specificity": 0.81, "ppv": 0.7, "npv": None}
    reached = {
        "true_positives": 11, "false_positives": 4, "false_negatives": 1, "true_negatives": 17, "figures": shares,
        "intervals": {name: value and [value - 0.1, value + 0.05] for name, value in shares.items()}, "cost": 1.25,
        "at_prevalences": [{"prevalence": 0.02, "ppv": 0.1, "ppv_interval": [0.05, 0.2], "npv": 0.99,
                            "npv_interval": [0.97, 0.999]}],
    }  # fmt: skip
    threshold = {
        "positives": ["one"], "threshold": 0.2317, "chosen": "sensitivity 0.95", "chosen_on": "out of fold",
        "wished": {"chosen_on": 120}, "reached": reached, "kept": True,
    }  # fmt: skip
    page = complete(digits_run, tmp_path, thresholds=threshold)
    assert "chosen for sensitivity 0.95 on predictions of cross-validation (out of fold) of the fit, 120" in page
    assert all(
        shown in page for shown in ("0.232", "0.917", "0.817 to 0.967", "1.250", "0.050 to 0.200", "decides by it")
    )


def test_calibration_before_and_after_and_abstention_are_shown(digits_run: FitResult, tmp_path: Path) -> None:
    calibration = {"temperature": 1.3149, "fitted_on": "valid", "images": 85, "cross_fitted": True,
                   "before": {"loss": 0.9, "brier": None}, "after": {"loss": 0.8, "brier": None}}  # fmt: skip
    abstention = {"level": 0.9, "measured_on": "out of fold", "images": 328, "pooled": ["one"], "unsure": 30,
                  "familiar_images": 327, "familiar_bytes": 1, "unfamiliar": 2}  # fmt: skip
    page = complete(digits_run, tmp_path, calibration=calibration, abstention=abstention)
    assert "Temperature 1.315, fitted on 85 images: the validation images" in page
    assert "When it does not know" in page


def test_figures_with_and_without_what_is_left_to_a_person_stand_side_by_side(
    digits_run: FitResult, tmp_path: Path
) -> None:
    content = json.loads(read(digits_run.run, "metrics.json"))
    part = content.pop("valid")
    part["classes"] = {one["label"]: one for one in part["classes"]}
    doubt = {"sure": 12, "unsure": 2, "unfamiliar": 1,
             "of_sure": {"metrics": {"accuracy": 0.9876}, "intervals": {"accuracy": [0.9, 0.999]}}}  # fmt: skip
    (tmp_path / "metrics.json").write_text(json.dumps({**content, **part, "part": "all", "abstention": doubt}))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    assert "sure ones alone" in page
    assert "0.988" in page
    assert find_strange_numbers(page, read(tmp_path, "metrics.json")) == []


def test_a_fit_that_started_from_a_run_shows_both_on_the_same_images(digits_run: FitResult, tmp_path: Path) -> None:
    figures = {"metrics": {"accuracy": 0.8123}, "intervals": {"accuracy": [0.7, 0.9]}}
    better = {"metrics": {"accuracy": 0.9321}, "intervals": {"accuracy": [0.85, 0.97]}}
    images = {"new": 12, "gone": 1, "same": 60, "relabelled": 2}
    started = {"run": "/x", "images": images, "compared_on": 15, "before": figures, "after": better, "difference": None}
    page = complete(digits_run, tmp_path, **{"from": started})
    assert all(shown in page for shown in ("Beside the run", "0.812", "0.932", "0.850 to 0.970"))
    page = complete(digits_run, tmp_path, **{"from": started | {"compared_on": 0, "before": None, "after": None}})
    assert "no image to compare" in page


@pytest.mark.slow
@pytest.mark.parametrize("key", ["thresholds", "calibration", "abstention", "robustness", "per"])
def test_what_was_not_measured_has_no_section(digits_run: FitResult, tmp_path: Path, key: str) -> None:
    page = complete(digits_run, tmp_path, **{key: None})
    anchors = re.findall(r'<a href="#([^"]+)"', page)
    assert all(f'id="{one}"' in page for one in anchors)


@pytest.mark.parametrize(("chosen_on", "same"), [("the valid part", 18), ("out of fold", 70)])
def test_images_that_a_threshold_was_chosen_on_are_counted_by_their_part(chosen_on: str, same: int) -> None:
    shares: dict[str, float | None] = dict.fromkeys(("sensitivity", "specificity", "ppv", "npv"))
    found = {"positives": ["a"], "threshold": 0.2, "chosen": "sensitivity 0.95", "chosen_on": chosen_on}
    found["reached"] = {"figures": shares, "intervals": shares, "at_prevalences": []}
    section = build_threshold({"thresholds": found, "trained_on": 70, "facts": {"chosen_on": 18}})
    assert section is not None
    assert f"; {same} of the images here are among these" in section["text"]
