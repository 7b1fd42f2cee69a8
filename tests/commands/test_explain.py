"""`sightx explain` and `predict --heatmaps`, as typed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from sightx_cli.app import app

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: Path) -> Path:
    """The current folder, with images of one odd name in two folders."""
    for name in ("one", "two"):
        (tmp_path / "new" / name).mkdir(parents=True)
        shutil.copy(digits / name / "03.png", tmp_path / "new" / name / "=a <b>.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command: str, digits_run: FitResult, *args: str) -> Any:
    return CliRunner().invoke(app, [command, *args, "--model", str(digits_run.run)])


def check_refused(done: Any, words: str) -> None:
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert words in done.stderr.splitlines()[0]


def test_images_of_which_none_can_be_read_are_refused_and_leave_no_folder(digits_run: FitResult, home: Path) -> None:
    (home / "bad.png").write_text("text")
    check_refused(run("explain", digits_run, "bad.png", "--out", "out"), "bad.png is not a readable image")
    assert not (home / "out").exists()


def test_a_class_in_another_spelling_is_explained_and_said(digits_run: FitResult, home: Path) -> None:
    done = run("explain", digits_run, "new", "--class", "Nought", "--out", "out", "--json")
    answer = json.loads(done.stdout)
    assert {entry["class"] for entry in answer["images"]} == {"nought"}
    said = "--class: class read in the model's spelling: 'Nought' as 'nought'"
    assert said in {notice["text"] for notice in answer["notices"]}
    assert said in done.stderr


def test_each_image_has_its_picture_and_its_entry_whatever_it_is_called(digits_run: FitResult, home: Path) -> None:
    (home / "new" / "bad.png").write_text("text")
    done = run("explain", digits_run, "new", "--out", "out", "--json")
    answer = json.loads(done.stdout)
    assert done.exit_code == 0
    assert answer["folder"] == str(home / "out")
    entries = {entry["image"]: entry for entry in answer["images"]}
    assert set(entries) == {"new/bad.png", "new/one/=a <b>.png", "new/two/=a <b>.png"}
    assert "is not a readable image" in entries["new/bad.png"]["error"]
    assert (entries["new/bad.png"]["picture"], entries["new/bad.png"]["covered"]) == (None, None)
    for name in ("one", "two"):
        entry = entries[f"new/{name}/=a <b>.png"]
        assert (entry["prediction"], entry["class"], entry["error"]) == (name, name, "")
        assert entry["confidence"] > 0.5
        assert entry["status"] in ("", "sure", "unsure", "unfamiliar")
        assert entry["covered"] == pytest.approx(1)
        assert entry["exact"] is True
        assert Image.open(entry["picture"]).format == "PNG"
    assert len({entry["picture"] for entry in entries.values()}) == 3
    listed = pd.read_csv(home / "out" / "heatmaps.csv", keep_default_na=False)
    assert set(listed["picture"]) == {"", *(Path(e["picture"]).name for e in answer["images"] if e["picture"])}


def test_a_class_that_is_named_is_shown_in_place_of_the_prediction(digits_run: FitResult, home: Path) -> None:
    done = run("explain", digits_run, "new/one", "--class", "two", "--json")
    [entry] = json.loads(done.stdout)["images"]
    assert (entry["prediction"], entry["class"]) == ("one", "two")
    assert Path(entry["picture"]).parent.parent == home / "heatmaps"
    check_refused(run("explain", digits_run, "new", "--class", "tow"), "--class tow: this model knows")


def test_people_read_what_was_drawn_and_what_it_is_not(digits_run: FitResult, home: Path) -> None:
    (home / "new" / "bad.png").write_text("text")
    done = run("explain", digits_run, "new", "--out", "out")
    for words in ("2 heatmaps", "=a <b>.png", "no heatmap of new/bad.png", "not whether it is right", "folder"):
        assert words in done.stdout


def test_a_folder_that_exists_is_refused_and_kept(digits_run: FitResult, home: Path) -> None:
    assert run("explain", digits_run, "new", "--out", "out").exit_code == 0
    check_refused(run("explain", digits_run, "new/one", "--out", "out"), "exists already")
    assert len(list((home / "out").glob("*.png"))) == 2
    assert run("explain", digits_run, "new/one", "--out", "out", "--overwrite").exit_code == 0
    assert len(list((home / "out").glob("*.png"))) == 1
    (home / "out" / "notes.txt").write_text("mine")
    again = run("explain", digits_run, "new/one", "--out", "out", "--overwrite")
    check_refused(again, "holds what SightX did not make there, notes.txt, so it is not overwritten")
    assert (home / "out" / "notes.txt").read_text() == "mine"
    check_refused(run("explain", digits_run, "new", "--out", "new", "--overwrite"), "holds no heatmaps")
    assert (home / "new" / "one" / "=a <b>.png").is_file()


def test_a_prediction_draws_its_heatmaps_beside_the_table(digits_run: FitResult, home: Path) -> None:
    (home / "new" / "bad.png").write_text("text")
    done = run("predict", digits_run, "new", "--heatmaps", "maps", "--json")
    assert json.loads(done.stdout)["heatmaps"] == str(home / "maps")
    listed = pd.read_csv(home / "maps" / "heatmaps.csv", keep_default_na=False)
    table = pd.read_csv(home / "predictions.csv", keep_default_na=False)
    assert listed["prediction"].tolist() == table["prediction"].tolist()
    assert len(list((home / "maps").glob("*.png"))) == 2
    check_refused(run("predict", digits_run, "new", "-o", "b.csv", "--heatmaps", "maps"), "exists already")
    assert not (home / "b.csv").exists()
    again = run("predict", digits_run, "new/one", "--heatmaps", "maps", "--overwrite")
    assert again.exit_code == 0
    assert len(list((home / "maps").glob("*.png"))) == 1


STOPPED = """
import os, signal, sys
from sightx_cli.app import main
from sightx_cli.console import ConsoleListener

signal.signal(signal.SIGINT, signal.default_int_handler)
ConsoleListener.advance = lambda self, task, units=1, figures=None: os.kill(os.getpid(), signal.SIGINT)
sys.argv = ["sightx", "predict", "new", "--model", {run!r}, "--heatmaps", "maps"]
main()
"""


@pytest.mark.slow
def test_an_interrupted_prediction_goes_on_with_its_heatmaps(digits_run: FitResult, home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", STOPPED.format(run=str(digits_run.run))], check=False)
    assert done.returncode == 130
    assert len(list((home / "maps").glob("*.png"))) == 1
    assert run("predict", digits_run, "new", "--heatmaps", "maps", "--resume").exit_code == 0
    listed = pd.read_csv(home / "maps" / "heatmaps.csv", keep_default_na=False)
    assert sorted(listed["picture"]) == sorted(path.name for path in (home / "maps").glob("*.png"))
    assert len(listed) == 2


@pytest.mark.slow
def test_rows_that_were_predicted_without_heatmaps_are_said_to_have_none(digits_run: FitResult, home: Path) -> None:
    code = STOPPED.replace(', "--heatmaps", "maps"', "").format(run=str(digits_run.run))
    subprocess.run([sys.executable, "-c", code], check=False)
    done = run("predict", digits_run, "new", "--heatmaps", "maps", "--resume")
    assert "rows predicted before, which have no heatmap: 1" in done.stderr
    assert len(list((home / "maps").glob("*.png"))) == 1


def test_a_row_that_names_no_image_has_its_entry(digits_run: FitResult, home: Path) -> None:
    (home / "t.csv").write_text("image,note\nnew/one/=a <b>.png,x\n,y\n")
    answer = json.loads(run("explain", digits_run, "t.csv", "--json").stdout)
    assert sorted(bool(entry["error"]) for entry in answer["images"]) == [False, True]
    assert answer["unreadable"] == 1


def test_without_heatmaps_a_prediction_has_none(digits_run: FitResult, home: Path) -> None:
    assert json.loads(run("predict", digits_run, "new", "--json").stdout)["heatmaps"] is None
    assert sorted(path.name for path in home.iterdir()) == ["new", "predictions.csv"]


def test_what_cannot_be_is_one_line(digits_run: FitResult, home: Path) -> None:
    check_refused(run("explain", digits_run, "nowhere"), "nowhere does not exist")
    check_refused(run("explain", digits_run, "new", "--out", "new/one/=a <b>.png/x"), "cannot be written")
    assert sorted(path.name for path in home.iterdir()) == ["new"]
