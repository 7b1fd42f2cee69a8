"""`sightx runs`, as typed: tables, JSON, the question before anything is removed."""

from __future__ import annotations

import json
import os
import pty
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from sightx_cli import runs
from sightx_cli.app import app
from sightx_cli.bundle.chosen_threshold import Decision
from sightx_cli.bundle.export_contract import build_contract
from sightx_cli.bundle.facts import keep_decision, load_facts
from sightx_cli.console.numbers import format_bytes
from sightx_cli.filesystem import measure_folder

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

NAME = "20260101-101010-natural-small"


@pytest.fixture(autouse=True)
def home(digits_run: FitResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a finished run that `runs/latest` names and what a fit killed at its start left."""
    home = tmp_path / "home"
    shutil.copytree(digits_run.run, home / "runs" / NAME)
    (home / "runs" / "half" / "checkpoint").mkdir(parents=True)
    monkeypatch.chdir(home)
    runs.name_latest(home / "runs" / NAME)
    return home


def invoke(*args: str) -> Any:
    return CliRunner().invoke(app, ["runs", *args])


def say_size() -> str:
    """The size of the finished run, as people read it."""
    return format_bytes(measure_folder(Path("runs") / NAME))


def list_names() -> list[str]:
    return sorted(path.name for path in Path("runs").iterdir())


def type_at_terminal(columns: int, keys: bytes, *args: str) -> tuple[int, str]:
    """Type a command at a terminal of this width, and keys when it asks; its exit status and all that it printed."""
    process, ours = pty.fork()
    if process == 0:
        os.environ.update(COLUMNS=str(columns), TERM="dumb")
        os.execv(sys.executable, [sys.executable, "-m", "sightx_cli", "runs", *args])
    said = b""
    while True:
        try:
            block = os.read(ours, 65536)
        except OSError:  # Linux: the terminal's last user has gone
            break
        if not block:
            break
        said += block
        if keys and said.endswith(b"[y/N] "):
            os.write(ours, keys)
            keys = b""
    os.close(ours)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), said.decode().replace("\r\n", "\n")


def say_accuracy(run: FitResult) -> str:
    """The accuracy of the finished run, as people read it."""
    return f"accuracy {run.metrics['accuracy']:.4f}"


def test_a_list_is_a_table_with_whole_lines_for_a_pipe(digits_run: FitResult) -> None:
    done = invoke("list")
    assert done.exit_code == 0
    row = next(line for line in done.stdout.splitlines() if NAME in line)
    assert row.split()[:3] == [NAME, "finished,", "latest"]
    assert say_accuracy(digits_run) in row
    assert "unfinished" in done.stdout
    assert f"2 runs, {say_size()}" in done.stderr
    assert "sightx runs clean removes what is unfinished" in done.stderr


@pytest.mark.parametrize("columns", [80, 120])
def test_a_list_fits_the_terminal_and_keeps_names_whole(columns: int, digits_run: FitResult) -> None:
    status, said = type_at_terminal(columns, b"", "list", "--quiet")
    assert status == 0
    lines = said.splitlines()
    assert max(len(line) for line in lines if "/" not in line) <= columns
    assert any(NAME in line for line in lines)
    for word in ("natural-small", "72", "latest", say_size(), say_accuracy(digits_run)):
        assert word in said, said


def test_json_is_one_object_with_absolute_paths(home: Path) -> None:
    found = json.loads(invoke("list", "--json").stdout)
    assert {one["name"]: one["state"] for one in found["runs"]} == {NAME: "finished", "half": "unfinished"}
    whole = next(one for one in found["runs"] if one["latest"])
    assert whole["run"] == str(home / "runs" / NAME)
    assert whole["images"] == {"train": 57, "valid": 15}
    assert found["total_bytes"] == sum(one["bytes"] for one in found["runs"])


def test_without_runs_it_says_how_to_make_one() -> None:
    shutil.rmtree("runs")
    done = invoke("list")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "0 runs" in done.stderr
    assert "sightx fit DATA" in done.stderr


def test_a_latest_that_lies_elsewhere_or_is_gone_is_said(home: Path) -> None:
    Path("runs", NAME).rename(home / "mine")
    runs.name_latest(home / "mine")
    assert f"runs/latest is {home}/mine\n" in invoke("list").stderr
    (home / "mine").rename(home / "other")
    assert f"runs/latest is {home}/mine, which is gone" in invoke("list").stderr


def test_a_run_is_shown_with_its_figures_its_files_and_what_to_type_next() -> None:
    done = invoke("show")
    assert done.exit_code == 0
    for words in (NAME, "finished, latest", "balanced accuracy", "bundle/", "sightx fit /", "57 images to train"):
        assert words in done.stdout
    assert "next  sightx predict FOLDER   labels new images" in done.stderr
    assert json.loads(invoke("show", "--json").stdout)["next"] == "sightx predict FOLDER"


def test_an_undecided_run_is_shown_too() -> None:
    done = invoke("show", "half")
    assert done.exit_code == 0
    assert "nothing is decided yet" in done.stdout


@pytest.mark.parametrize(
    ("args", "command"),
    [(["delete", "half"], "sightx runs delete runs/half --yes"), (["clean"], "sightx runs clean --yes")],
    ids=["delete", "clean"],
)
def test_without_a_terminal_nothing_is_removed_and_the_line_to_type_is_said(args: list[str], command: str) -> None:
    done = invoke(*args)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "no terminal to ask at" in done.stderr
    assert done.stderr.endswith(f"hint:  {command}\n")
    assert list_names() == [NAME, "half", "latest"]
    assert invoke(*command.split()[2:], "--json").exit_code == 0
    assert list_names() == [NAME, "latest"]


@pytest.mark.parametrize(
    ("keys", "is_yes"), [(b"y\n", True), (b"n\n", False), (b"\n", False), (b"\x04", False)], ids=str
)
def test_at_a_terminal_it_asks_with_what_goes(keys: bytes, is_yes: bool) -> None:
    size = say_size()
    status, said = type_at_terminal(80, keys, "delete", "runs/latest")
    assert status == 0, said
    assert f"latest is runs/{NAME}" in said
    assert f"remove 1 item, {size}, for good? [y/N]" in said
    assert (f"{size} freed" in said) == is_yes
    assert list_names() == (["half"] if is_yes else [NAME, "half", "latest"])


def test_ctrl_c_at_the_question_removes_nothing() -> None:
    status, said = type_at_terminal(80, b"\x03", "clean")
    assert status in {130, -2}, said
    assert list_names() == [NAME, "half", "latest"]
    assert not list(Path("runs").rglob(".lock"))


def test_cleaning_says_the_bytes_freed() -> None:
    (Path("runs") / "half" / "split.csv").write_bytes(b"x" * 1500)
    done = invoke("clean", "--yes")
    assert done.exit_code == 0
    assert "1.5 kB freed" in done.stdout
    assert invoke("clean").stdout == "nothing removed\n"


def test_what_is_no_run_exits_2_in_a_line(home: Path) -> None:
    (home / "images").mkdir()
    done = invoke("delete", "images", "--yes")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("error: images: is not a run made by SightX\nhint:  sightx runs list")


def test_a_stored_threshold_is_taken_back_once_and_older_exports_are_named() -> None:
    kept = Decision(("one", "two"), 0.3, "sensitivity 0.95", "out of fold")
    before = load_facts(Path("runs") / NAME)
    facts = keep_decision(Path("runs") / NAME, kept)
    export = Path("runs") / NAME / "export" / "onnx"
    export.mkdir(parents=True)
    runs.write_json(export / "export.json", {})
    runs.write_json(export / "contract.json", build_contract(facts, (), export))
    done = invoke("forget", "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["decision"] == {**vars(kept), "positive": ["one", "two"]}
    assert load_facts(Path("runs") / NAME) == before
    [warned] = found["warnings"]
    assert warned.endswith("--format onnx --overwrite")
    assert warned in " ".join(done.stderr.split())
    again = invoke("forget", NAME)
    assert (again.exit_code, "stores no threshold" in again.stderr) == (2, True)
    assert f"sightx evaluate DATA --model runs/{NAME} --at-sensitivity 0.95 --keep stores one" in again.stderr


def test_what_decides_after_a_threshold_is_taken_back_is_said() -> None:
    keep_decision(Path("runs") / NAME, Decision(("one",), 0.3, "sensitivity 0.95", "out of fold"))
    done = invoke("forget", f"runs/{NAME}")
    assert "forgotten one from a probability of 0.300 on (sensitivity 0.95, out of fold)" in done.stdout
    assert "go by the likeliest class again" in done.stdout


def test_a_run_that_is_not_finished_has_no_threshold_to_forget() -> None:
    assert invoke("forget", "half").exit_code == 2
    assert invoke("forget", "nowhere").exit_code == 2
