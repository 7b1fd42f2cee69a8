"""`predict --into`: beside the table, what another tool reads, from the model's own answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sightx_cli import predict
from sightx_cli.errors import UsageError
from sightx_cli.progress import Recorder, Silent
from tests.conftest import press_ctrl_c

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: Path, write_photo: Callable[..., Path]) -> Path:
    """The current folder, with `new/`: three digits, a photograph of nothing, and a file that is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new" / "more").mkdir(parents=True)
    for number, name in enumerate(("nought", "one", "two")):
        shutil.copy(digits / name / "00.png", tmp_path / "new" / "more" / f"{number}.png")
    write_photo(tmp_path / "new" / "photo.png")
    (tmp_path / "new" / "bad.png").write_text("text")
    return tmp_path


class PressCtrlC(Silent):
    """Stops a prediction after its second row."""

    done = 0

    def advance(self, task: str, units: int = 1, figures: object = None) -> None:
        self.done += 1
        if self.done == 2:
            press_ctrl_c()


def test_the_annotations_say_what_the_table_says(digits_run: FitResult, home: Path) -> None:
    heard = Recorder()
    result = predict("new", model=digits_run.run, into="labelstudio", listener=heard)
    folder = home / "predictions-labelstudio"
    assert result.to_json()["annotations"] == str(folder)
    table = pd.read_csv("predictions.csv", keep_default_na=False).set_index("image")
    tasks = json.loads((folder / "tasks.json").read_text())
    assert tasks[0]["data"]["file"] == "photo.png"
    assert len(tasks) == 4
    for task in tasks:
        row = table.loc[f"new/{task['data']['file']}"]
        (prediction,) = task["predictions"]
        assert prediction["result"][0]["value"]["choices"] == [row["prediction"]]
        assert prediction["score"] == pytest.approx(float(row["confidence"]), abs=2e-6)
        assert task["data"].get("status", "") == row["status"]
        assert prediction["model_version"] == digits_run.run.name
    assert [notice.count for notice in result.notices if notice.kind == "left-out"] == [1]
    assert any("1 image without an annotation, being unreadable" in note for note in heard.notes)


def test_with_abstain_a_person_labels_what_the_model_is_not_sure_of(digits_run: FitResult, home: Path) -> None:
    predict("new", model=digits_run.run, into="labelme", abstain=True, into_folder=home / "mine")
    photo = json.loads((home / "mine" / "photo.json").read_text())
    assert photo["flags"] == {"nought": False, "one": False, "two": False, "__unfamiliar__": True}


def test_an_interrupted_prediction_has_no_annotations_until_it_is_whole(digits_run: FitResult, home: Path) -> None:
    predict("new", model=digits_run.run, output=Path("whole.csv"), into="coco")
    with pytest.raises(KeyboardInterrupt):
        predict("new", model=digits_run.run, batch=1, into="coco", listener=PressCtrlC())
    assert not (home / "predictions-coco").exists()
    predict("new", model=digits_run.run, resume=True, batch=1, into="coco")
    name = "annotations/labels_predictions.json"
    assert (home / "predictions-coco" / name).read_text() == (home / "whole-coco" / name).read_text()
    assert not [path.name for path in home.iterdir() if path.name.startswith(".")]


def test_what_cannot_be_is_said_before_any_image_is_predicted(digits_run: FitResult, home: Path) -> None:
    for more, words in (
        ({"into": "voc"}, "--into voc: allowed are labelme"),
        ({"into": "dicom-sr"}, "none of which is DICOM"),
        ({"into_folder": Path("x")}, "--into-folder x: is for --into"),
        ({"into": "labelme", "into_folder": Path("new")}, "holds no annotations of SightX"),
    ):
        with pytest.raises(UsageError, match=words):
            predict("new", model=digits_run.run, **more)  # type: ignore[arg-type]
    assert sorted(path.name for path in home.iterdir()) == ["new"]


def test_dicom_images_have_reports_of_what_was_predicted(
    digits_run: FitResult, home: Path, write_dicom: Callable[..., Path], digits: Path
) -> None:
    import highdicom
    from pydicom.uid import generate_uid

    with Image.open(digits / "two" / "01.png") as image:
        pixels = np.asarray(image.convert("L"))
    write_dicom(home / "new" / "two.dcm", pixels, StudyInstanceUID=generate_uid(), SeriesInstanceUID=generate_uid())
    result = predict("new", model=digits_run.run, into="dicom-sr")
    row = pd.read_csv("predictions.csv").set_index("image").loc["new/two.dcm"]
    (path,) = (home / "predictions-dicom-sr").glob("*.dcm")
    (group,) = highdicom.sr.srread(path).content.get_image_measurement_groups()
    said = {one.name.meaning: one.value.meaning for one in group.get_qualitative_evaluations()}
    assert said["Predicted class"] == row["prediction"] == "two"
    assert group.get_measurements()[0].value == pytest.approx(row["confidence"], abs=2e-6)
    assert [notice.count for notice in result.notices if notice.kind == "left-out"] == [1, 4]
