"""`sightx fit`, as typed: its JSON, its exit statuses, and what bad input gets."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from sightx_cli import runs
from sightx_cli.app import app
from sightx_cli.console import name_next_command
from sightx_cli.results.fit import FitResult

BAD_FILES = {"bomb.pgm": b"P5 60000 60000 255\n", "text.jpg": b"hello", "none.png": b""}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which `runs/` appears."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def small(random_weights: Callable[[str], Path]) -> list[str]:
    """Options for a fit in seconds: a small network of random weights, one epoch."""
    weights = str(random_weights("test_resnet"))
    options = ["--recipe", "natural-small", "--backbone", "test_resnet", "--weights", weights]
    return [*options, "--set", "image.size_px=32", "--set", "stage.0.epochs=1"]


@pytest.fixture(scope="module")
def fitted(digits: Path, small: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """One `sightx fit --json` on train/ and test/ with bad files among them; its outcome, and the current folder."""
    home = tmp_path_factory.mktemp("home")
    for image in digits.rglob("*.png"):
        part = "train" if int(image.stem) < 18 else "test"
        copy = home / "data" / part / image.parent.name / image.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, copy)
    whole = io.BytesIO()
    Image.open(digits / "one" / "00.png").save(whole, "JPEG")
    for name, content in {**BAD_FILES, "cut.jpg": whole.getvalue()[:-300]}.items():
        (home / "data" / "train" / "one" / name).write_bytes(content)
    with contextlib.chdir(home):
        return CliRunner().invoke(app, ["fit", "data", *small, "--json"]), home


def list_all(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def check_refused(done: Any, *words: str) -> None:
    """Exit 2, nothing on stdout, one line that says what was found, one that says what to type."""
    assert (done.exit_code, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1
    assert lines[-1].startswith("hint:  ") or lines[-1] == errors[0]
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in errors[0]


# --- what it answers ---


def test_json_is_one_object_alone_on_stdout(fitted: tuple[Any, Path]) -> None:
    done, _ = fitted
    assert done.exit_code == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert isinstance(json.loads(done.stdout), dict)


def test_json_has_the_keys_of_the_contract(fitted: tuple[Any, Path]) -> None:
    answer = json.loads(fitted[0].stdout)
    assert {
        "run",
        "recipe",
        "reason",
        "task",
        "images",
        "classes",
        "metrics",
        "selected_on",
        "seconds",
        "prefix",
    } <= set(answer)
    assert set(answer["images"]) >= {"train", "valid"}
    assert set(answer["metrics"]) >= {"accuracy", "balanced_accuracy", "roc_auc", "quadratic_kappa", "loss"}
    assert answer["metrics"]["quadratic_kappa"] is None
    assert set(answer["test"]["metrics"]) == set(answer["metrics"])
    assert {"engine", "cached", "views"} <= set(answer["prefix"])
    assert answer["seconds"]["total"] > 0
    epochs = (Path(answer["run"]) / "history.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert answer["selected_on"] is (len(epochs) > 1)  # nothing is chosen where there is one candidate
    assert answer["classes"] == ["nought", "one", "two"]


def test_paths_in_json_are_absolute(fitted: tuple[Any, Path]) -> None:
    done, home = fitted
    run = Path(json.loads(done.stdout)["run"])
    assert run.is_absolute()
    assert (home / "runs" / "latest").resolve() == run
    assert (run / "bundle" / "graph.xml").exists()


def test_bad_files_are_left_out_by_name_and_the_rest_is_fitted(fitted: tuple[Any, Path]) -> None:
    done, _ = fitted
    answer = json.loads(done.stdout)
    assert sum(answer["images"].values()) == 54
    reasons = {line.split()[0].rpartition("/")[2]: line for line in answer["unreadable"]}
    assert set(reasons) == {*BAD_FILES, "cut.jpg"}
    for name, words in {
        "bomb.pgm": "pixels",
        "text.jpg": "not a readable",
        "none.png": "empty",
        "cut.jpg": "trunc",
    }.items():
        assert words in reasons[name]
    assert "left out 4 of " in done.stderr
    fingerprint = json.loads((Path(answer["run"]) / "fingerprint.json").read_text())
    assert len(fingerprint["unreadable"]) == 4


def test_libraries_say_nothing(fitted: tuple[Any, Path]) -> None:
    noise = ("Warning", "warn(", "epoch     train_loss", "site-packages")
    assert not any(word in fitted[0].stderr for word in noise)


@pytest.mark.slow
def test_without_json_the_figures_stand_on_stdout_and_the_talk_on_stderr(
    digits: Path, small: list[str], home: Path
) -> None:
    done = CliRunner().invoke(app, ["fit", str(digits), *small, "--out", "mine"])
    assert done.exit_code == 0, done.stderr
    assert "accuracy" in done.stdout
    assert str(home / "mine") in done.stdout
    assert "sightx predict" in done.stderr
    assert "57 to train, 15 to validate" in done.stderr
    quiet = CliRunner().invoke(app, ["fit", str(digits), *small, "--out", "mine", "--overwrite", "--quiet"])
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert "accuracy" in quiet.stdout


def test_without_options_the_recipe_is_picked_and_the_reason_told(digits: Path, small: list[str], home: Path) -> None:
    stage = "stage=[{train='head', epochs=1, rate=1e-3}]"
    done = CliRunner().invoke(app, ["fit", str(digits), *small[2:], "--set", stage, "--json"])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["recipe"] == "medical-small"
    for words in ("72 images", "the shift is", "beyond the threshold of 0.37", "--shift similar"):
        assert words in answer["reason"]
    plan = json.loads((Path(answer["run"]) / "plan.json").read_text())
    assert plan["reason"] == answer["reason"]
    assert plan["values"]["data.shift"] == {"value": "different", "origin": "data"}


# --- what is refused ---


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda root: None, "does not exist"),
        (lambda root: root.mkdir(), "no images"),
        (lambda root: (root / "a").mkdir(parents=True), "no images"),
        (lambda root: root.write_text("text"), "neither a folder nor a table"),
    ],
    ids=["missing", "empty", "empty classes", "a file"],
)
def test_data_without_images_is_refused(
    home: Path, small: list[str], make: Callable[[Path], object], words: str
) -> None:
    make(home / "data")
    before = list_all(home)
    check_refused(CliRunner().invoke(app, ["fit", "data", *small]), "data", words)
    assert list_all(home) == before


def test_a_path_that_is_no_text_is_refused(home: Path, small: list[str], write_photo: Callable[..., Path]) -> None:
    name = os.fsdecode(b"d\xffta")
    write_photo(home / name / "a" / "1.png")
    check_refused(CliRunner().invoke(app, ["fit", name, *small]), "not valid UTF-8")


@pytest.mark.parametrize("content", [*BAD_FILES.values()], ids=list(BAD_FILES))
def test_data_of_bad_files_only_is_refused(home: Path, small: list[str], content: bytes) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (home / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "data" / name).write_bytes(content)
    before = list_all(home)
    check_refused(CliRunner().invoke(app, ["fit", "data", *small]), "none of the 4 images can be read", "a/1.png")
    assert list_all(home) == before


def test_out_that_exists_is_refused_and_overwrite_replaces_only_runs(
    digits: Path, small: list[str], home: Path
) -> None:
    (home / "mine").mkdir()
    (home / "mine" / "thesis.tex").write_text("years")
    for extra, words in (([], "exists already"), (["--overwrite"], "is not a run")):
        check_refused(CliRunner().invoke(app, ["fit", str(digits), *small, "--out", "mine", *extra]), words)
    assert list_all(home) == ["mine", "mine/thesis.tex"]


@contextlib.contextmanager
def ordinary_user() -> Iterator[Path]:
    """A folder that an ordinary user may enter, and that user's rights where the tests run as root."""
    # That user may not be able to read root's Python: what a refusal imports is imported before.
    assert CliRunner().invoke(app, ["fit", "nowhere", "--recipe", "natural-small"]).exit_code == 2
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o777)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(65534)
        try:
            yield place
        finally:
            if is_root:
                os.seteuid(0)
            for path in place.rglob("*"):
                path.chmod(0o755)


@pytest.mark.parametrize("locked", ["data", "data/a"])
def test_a_folder_without_read_permission_is_refused_by_name(locked: str) -> None:
    with ordinary_user() as home, contextlib.chdir(home):
        (home / "data" / "a").mkdir(parents=True)
        (home / locked).chmod(0)
        done = CliRunner().invoke(app, ["fit", "data", "--recipe", "natural-small"])
    check_refused(done, locked, "cannot be read: Permission denied")


def test_a_place_without_write_permission_is_refused_by_name(write_photo: Callable[..., Path]) -> None:
    with ordinary_user() as home, contextlib.chdir(home):
        for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
            write_photo(home / "data" / name)
        (home / "locked").mkdir()
        (home / "locked").chmod(0o555)
        done = CliRunner().invoke(app, ["fit", "data", "--recipe", "natural-small", "--out", "locked/run"])
    check_refused(done, "locked/run: cannot be written (Permission denied)")


def test_a_current_folder_without_write_permission_is_named_with_the_option_that_leads_elsewhere() -> None:
    with ordinary_user() as home:
        (home / "locked").mkdir()
        (home / "locked").chmod(0o555)
        with contextlib.chdir(home / "locked"):
            done = CliRunner().invoke(app, ["fit", "../data", "--recipe", "natural-small"])
    check_refused(done, f"error: {home.resolve() / 'locked'}: cannot be written (Permission denied)")
    assert done.stderr.splitlines()[-1] == "hint:  name a place with --out"


@pytest.mark.parametrize("room", [2_000, pytest.param(300_000, marks=pytest.mark.slow)])
def test_a_full_disk_is_said_and_leaves_at_most_a_run_to_go_on_with(
    digits: Path, small: list[str], home: Path, room: int
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))  # no file can grow beyond: as on a full disk
    try:
        done = CliRunner().invoke(app, ["fit", str(digits), *small])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    check_refused(done, "no space left on the disk")
    assert not (home / "runs" / "latest").exists()
    for folder in runs.list_runs():  # where there was room for the journal
        assert CliRunner().invoke(app, ["fit", "--resume", str(folder)]).exit_code == 0


def test_a_rate_that_is_far_too_high_says_what_to_try_and_keeps_the_best_epoch(
    digits: Path, small: list[str], home: Path
) -> None:
    more = ["--rate", "1e9", "--set", "stage.0.epochs=9", "--set", "training.batch=4"]
    done = CliRunner().invoke(app, ["fit", str(digits), *small, *more])
    assert done.exit_code == 2
    assert "finite" in done.stderr
    assert "try a tenth of the rate" in done.stderr
    assert (home / "runs" / "latest" / "bundle").is_dir()


# --- Ctrl-C, in a process of its own ---


@pytest.mark.parametrize("stopped", ["", "interrupted", "terminated", "the disk is full"])
def test_what_to_type_next_goes_on_with_what_somebody_stopped(digits_run: FitResult, stopped: str) -> None:
    command, why = name_next_command(replace(digits_run, stopped=stopped))
    if stopped in ("interrupted", "terminated"):
        assert command.startswith("sightx fit --resume ")
        assert digits_run.run.name in command
        assert "best epoch so far" in why
    else:
        assert command == "sightx predict FOLDER"


def test_ctrl_c_during_training_exits_130_and_leaves_a_run_that_predicts(
    digits: Path, small: list[str], home: Path
) -> None:
    command = [sys.executable, "-m", "sightx_cli", "fit", str(digits), *small, "--full", "--set", "stage.0.epochs=9999"]
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.split()[:1] == ["3/9999"]:
                process.send_signal(signal.SIGINT)
                break
        said, answer = process.stderr.read(), process.stdout.read()
    assert process.returncode == 130, said
    result = json.loads(answer)
    assert result["interrupted"] is True
    assert "interrupted" in said
    assert "Traceback" not in said
    assert "Warning" not in said
    done = CliRunner().invoke(app, ["predict", str(digits), "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["run"] == result["run"]
