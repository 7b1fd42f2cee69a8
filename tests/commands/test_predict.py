"""`sightx predict`, as typed: its JSON, its exit statuses, and that it never waits for torch."""

from __future__ import annotations

import json
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from sightx_cli.app import app

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digits: Path) -> Path:
    """The current folder, with four new images."""
    (tmp_path / "new").mkdir()
    for number, name in enumerate(("nought", "one", "two", "two")):
        shutil.copy(digits / name / f"{number:02}.png", tmp_path / "new" / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def predict(digits_run: FitResult, *args: str) -> Any:
    return CliRunner().invoke(app, ["predict", *args, "--model", str(digits_run.run)])


def check_refused(done: Any, *words: str) -> None:
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) <= 2
    for word in words:
        assert word in done.stderr.splitlines()[0]


def test_json_is_alone_on_stdout_with_the_keys_of_the_contract(digits_run: FitResult, home: Path) -> None:
    (home / "new" / "bad.png").write_text("text")
    done = predict(digits_run, "new", "--json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, 1)
    assert {
        "images",
        "unreadable",
        "unsure",
        "unfamiliar",
        "output",
        "seconds",
        "images_per_second",
        "model",
        "notices",
    } <= set(answer)
    assert answer["model"] == str(digits_run.run)
    assert (answer["images"], answer["unreadable"]) == (5, 1)
    assert answer["output"] == str(home / "predictions.csv")
    assert len(pd.read_csv(answer["output"])) == 5


@pytest.mark.parametrize("how", [(), ("--json",), ("--quiet",)])
def test_where_no_image_can_be_read_the_table_says_why_and_the_exit_status_is_that_of_wrong_input(
    digits_run: FitResult, home: Path, how: tuple[str, ...]
) -> None:
    (home / "bad").mkdir()
    for number in (1, 2):
        (home / "bad" / f"{number}.jpg").write_text("text")
        done = predict(digits_run, "bad", "--overwrite", *how)
        said = "the image could not be read" if number == 1 else "none of the 2 images could be read"
        assert done.exit_code == 2
        assert [line for line in done.stderr.splitlines() if line.startswith("error: ")] == [
            f"error: {said}: see the column error in predictions.csv"
        ]
        assert pd.read_csv("predictions.csv")["error"].str.contains("not a readable image").sum() == number
    if "--json" in how:
        assert json.loads(done.stdout)["unreadable"] == 2


def test_people_read_how_many_of_each_class_and_where_the_table_lies(digits_run: FitResult, home: Path) -> None:
    (home / "new" / "bad.png").write_text("text")
    done = predict(digits_run, "new", "-o", "out/table.parquet")
    assert done.exit_code == 0, done.stderr
    named = f"{digits_run.run}   accuracy {digits_run.metrics['accuracy']:.4f} on its validation images"
    for words in ("5 images", "nought", "two", "1 unreadable image", named, "out/table.parquet"):
        assert words in done.stdout


def test_people_read_how_many_are_unsure_or_unlike_the_training_images(
    digits_run: FitResult, home: Path, write_photo: Callable[..., Path]
) -> None:
    for seed in range(3):
        write_photo(home / "new" / f"photo{seed}.png", seed)
    done = predict(digits_run, "new")
    assert "3 images unlike the training images: see the column status" in done.stdout
    done = predict(digits_run, "new", "--abstain", "--json", "-o", "kept.jsonl")
    assert json.loads(done.stdout)["unfamiliar"] == 3
    assert (pd.read_json(home / "kept.jsonl", lines=True)["prediction"] == "").sum() >= 3


def test_an_output_that_exists_is_refused_and_kept(digits_run: FitResult, home: Path) -> None:
    (home / "predictions.csv").write_text("mine")
    check_refused(predict(digits_run, "new"), "predictions.csv: exists already")
    assert (home / "predictions.csv").read_text() == "mine"
    assert predict(digits_run, "new", "--overwrite").exit_code == 0


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_answers_that_are_complete_stay_as_they_are_with_resume(digits_run: FitResult, home: Path, suffix: str) -> None:
    (home / "new" / "=bad.png").write_text("text")
    output = home / f"out{suffix}"
    first = json.loads(predict(digits_run, "new", "--resume", "--json", "-o", str(output)).stdout)
    before = (output.read_bytes(), output.stat().st_mtime_ns)
    done = predict(digits_run, "new", "--resume", "--json", "-o", str(output))
    assert done.exit_code == 0, done.stderr
    again = json.loads(done.stdout)
    assert (output.read_bytes(), output.stat().st_mtime_ns) == before
    assert {name: again[name] for name in ("images", "unreadable", "unsure", "unfamiliar", "counts")} == {
        name: first[name] for name in ("images", "unreadable", "unsure", "unfamiliar", "counts")
    }
    assert "holds all 5 rows already" in done.stderr.replace("\n", " ")


def test_answers_for_other_images_are_refused_with_resume(digits_run: FitResult, home: Path) -> None:
    assert predict(digits_run, "new").exit_code == 0
    (home / "new" / "3.png").rename(home / "new" / "4.png")
    before = (home / "predictions.csv").read_bytes()
    for content in (before, before[:-20], b"mine", b""):
        (home / "predictions.csv").write_bytes(content)
        check_refused(predict(digits_run, "new", "--resume"), "exists already", "predictions.csv")
        assert (home / "predictions.csv").read_bytes() == content


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["new", "-o", "out.txt"], "allowed: .csv, .parquet, .jsonl"),
        (["new", "-o", "new.csv/"], ""),
        (["new", "-o", "new/0.png/out.csv"], "cannot be written"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_2(digits_run: FitResult, home: Path, args: list[str], words: str) -> None:
    (home / "new.csv").mkdir()
    check_refused(predict(digits_run, *args), words)


def test_without_a_run_it_says_what_makes_one(home: Path) -> None:
    done = CliRunner().invoke(app, ["predict", "new"])
    check_refused(done, "no run yet")
    assert "sightx fit" in done.stderr
    check_refused(CliRunner().invoke(app, ["predict", "new", "--model", "new"]), "not a finished run")


def test_a_full_disk_is_said_and_leaves_no_half_table(digits_run: FitResult, home: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        done = predict(digits_run, "new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    check_refused(done, "no space left on the disk")
    assert not (home / "predictions.csv").exists()
    assert predict(digits_run, "new", "--resume").exit_code == 0
    assert [path.name for path in home.iterdir() if path.name.startswith(".")] == []


STOPPED = """
import os, signal, sys
from sightx_cli.app import main
from sightx_cli.console import ConsoleListener

signal.signal(signal.SIGINT, signal.default_int_handler)
ConsoleListener.advance = lambda self, task, units=1, figures=None: os.kill(os.getpid(), signal.{signal})
sys.argv = ["sightx", "predict", "new ones", "--model", {run!r}, "-o", "out.csv", "--batch", "2"]
main()
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_stop_names_the_command_that_goes_on(digits_run: FitResult, home: Path, name: str, status: int) -> None:
    (home / "new").rename(home / "new ones")
    code = STOPPED.format(signal=name, run=str(digits_run.run))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "")
    command = f"sightx predict --model {digits_run.run} --output out.csv --batch 2 --resume 'new ones'"
    assert done.stderr.splitlines() == ["interrupted", f"next  {command}   goes on: 1 of 4 rows are kept"]
    again = CliRunner().invoke(app, ["predict", "new ones", "--model", str(digits_run.run), "-o", "out.csv"])
    check_refused(again, "an interrupted prediction is there, 1 of 4 rows")
    assert CliRunner().invoke(app, shlex.split(command)[1:]).exit_code == 0
    assert len(pd.read_csv("out.csv")) == 4


def test_a_table_is_predicted_with_the_column_and_the_folder_that_are_typed(digits_run: FitResult, home: Path) -> None:
    (home / "t.csv").write_text("patient,scan,note\np1,2,x\np1,0,\n")
    done = predict(digits_run, "t.csv", "--image-column", "scan", "--images", "new", "--json")
    assert json.loads(done.stdout)["images"] == 2
    found = pd.read_csv("predictions.csv", keep_default_na=False)
    assert list(found)[:4] == ["patient", "scan", "note", "image"]
    assert found["prediction"].tolist() == ["two", "nought"]
    check_refused(predict(digits_run, "t.csv", "--image-column", "scn", "--overwrite"), "--image-column scn")
    check_refused(predict(digits_run, "new", "--images", "new", "--overwrite"), "--images new: is for a table")


def test_resuming_repeats_the_options_of_the_table() -> None:
    from sightx_cli.commands.predict import write_resuming

    options = {"model": None, "image_column": "File name", "images": Path("my scans"), "heatmaps": Path("maps")}
    options |= {"into": "coco", "into_folder": Path("for us")}
    command = "sightx predict --image-column 'File name' --images 'my scans' --heatmaps maps"
    command += " --into coco --into-folder 'for us' --resume t.csv"
    assert write_resuming(["t.csv"], options) == command


HEAVY = ("torch", "timm", "fastai", "torchvision", "sklearn", "matplotlib")
CODE = """
import atexit, sys
heavy = {heavy!r}
atexit.register(lambda: print("loaded:", *(name for name in heavy if name in sys.modules), file=sys.stderr))
sys.argv = ["sightx", "predict", {image!r}, "--model", {run!r}, "--json"]
from sightx_cli.app import main
main()
"""


def test_people_read_where_the_annotations_lie_and_json_says_it(digits_run: FitResult, home: Path) -> None:
    done = predict(digits_run, "new", "--into", "labelme")
    assert "predictions-labelme   how-to-import.txt there says what to type" in done.stdout
    done = predict(digits_run, "new", "--into", "coco", "--into-folder", "ours", "--overwrite", "--json")
    assert json.loads(done.stdout)["annotations"] == str(home / "ours")
    check_refused(predict(digits_run, "new", "--into", "yolo", "--overwrite"), "--into yolo: allowed are labelme, coco")


def test_a_single_image_is_predicted_without_importing_torch(digits_run: FitResult, home: Path) -> None:
    code = CODE.format(heavy=HEAVY, image="new/2.png", run=str(digits_run.run))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.rpartition("loaded:")[1:] == ("loaded:", "\n")
    assert json.loads(done.stdout)["images"] == 1
    alone = pd.read_csv("predictions.csv").iloc[0]
    predict(digits_run, "new", "--overwrite")
    among = pd.read_csv("predictions.csv").iloc[2]
    assert (alone["image"], alone["prediction"]) == (among["image"], among["prediction"]) == ("new/2.png", "two")
    assert alone["confidence"] == pytest.approx(among["confidence"], abs=1e-5)
