"""Runs from Python: which there are and in what state, what one holds, and removing them without harm to another."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from sightx_cli import audit, compare, fit, predict, runs
from sightx_cli.api.runs import clean_runs, delete_runs, list_runs, show_run
from sightx_cli.console.runs import show_runs
from sightx_cli.errors import RunError, SightXError
from sightx_cli.filesystem import FolderLock
from sightx_cli.progress import Recorder
from sightx_cli.results.runs import Removal
from tests.conftest import press_ctrl_c


class PressCtrlC(Recorder):
    """Presses Ctrl-C when an epoch of the head, or a task, of this name comes."""

    def __init__(self, at: int | str) -> None:
        super().__init__()
        self.at = at

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        if (row["stage"], row["epoch"]) == ("head", self.at):
            press_ctrl_c()

    def start(self, task: str, total: int | None, unit: str) -> None:
        if isinstance(self.at, str) and task.startswith(self.at):
            press_ctrl_c()


@pytest.fixture(scope="module")
def made(digits: Path, random_weights: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs/: one finished, one interrupted after its first epoch, one stopped before it was measured."""
    home = tmp_path_factory.mktemp("made")
    settings = ("image.size_px=32", "stage.0.epochs=2")
    how = {"recipe": "natural-small", "backbone": "test_resnet", "weights": random_weights("test_resnet"), "folds": 0}
    how["full"] = True  # the head trains on after it is solved
    with contextlib.chdir(home):
        fit(digits, settings=settings, out="runs/whole", **how)
        fit(digits, settings=settings, out="runs/early", listener=PressCtrlC(1), **how)
        with pytest.raises(KeyboardInterrupt):
            fit(digits, settings=settings, out="runs/half", listener=PressCtrlC("measuring the valid part"), **how)
    return home


@pytest.fixture(autouse=True)
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of those runs, in the current folder; `runs/latest` names the interrupted one."""
    shutil.copytree(made, tmp_path / "home", symlinks=True)
    monkeypatch.chdir(tmp_path / "home")
    for age, name in enumerate(("half", "early", "whole")):  # whatever the copy made of their times
        for file in Path("runs", name).iterdir():
            os.utime(file, (time.time() - 60 * age,) * 2)
    return tmp_path / "home"


def list_names(folder: Path | str = "runs") -> list[str]:
    return sorted(one.name for one in Path(folder).iterdir())


def read_latest() -> str:
    return Path("runs/latest").readlink().name


# --- the list ---


def test_a_list_says_the_state_of_each_run_the_newest_first() -> None:
    listener = Recorder()
    listing = list_runs(listener=listener)
    assert [(one.run.name, one.state, one.is_latest) for one in listing.runs] == [
        ("half", "unfinished", False),
        ("early", "interrupted", True),
        ("whole", "finished", False),
    ]
    assert [one.reached for one in listing.runs] == ["stage: head, epoch 2 of 2", "solved head", ""]
    assert {one.recipe for one in listing.runs} == {"natural-small"}
    assert {sum(one.images.values()) for one in listing.runs} == {72}
    assert listing.leftovers == ()
    assert listing.total_bytes == sum(
        file.lstat().st_size for file in Path("runs").rglob("*") if file.is_file() and not file.is_symlink()
    )
    assert (listener.notes, listener.warnings) == ([], [])


def test_the_figure_is_that_of_the_metric_that_chose_the_best_epoch_also_before_the_end() -> None:
    half, early, whole = list_runs().runs
    figures = json.loads(Path("runs/whole/metrics.json").read_text())
    assert whole.best is not None
    assert whole.figure == figures["valid"]["metrics"][whole.best.metric]
    assert half.best is not None
    assert (half.best.metric, half.figure) == (whole.best.metric, whole.figure)  # the same training, but for the end
    assert early.figure is not None


def test_the_list_says_where_training_was_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    show_runs(list_runs())
    said = " ".join(capsys.readouterr().out.split())
    assert "stopped at" in said
    assert "now at" not in said


@pytest.mark.parametrize("name", ["metrics.json", "plan.json"])
def test_a_pipe_in_the_place_of_a_runs_file_is_never_waited_for(name: str) -> None:
    file = Path("runs/whole") / name
    file.unlink()
    os.mkfifo(file)
    listener = Recorder()
    assert len(list_runs(listener=listener).runs) == 3
    assert any(f"{file} cannot be read" in text and "a named pipe" in text for text in listener.warnings)


def test_a_run_that_a_process_works_on_is_being_trained() -> None:
    lock = FolderLock(Path("runs/half"))
    lock.take()
    assert list_runs().runs[0].state == "being trained"
    lock.release()
    assert list_runs().runs[0].state == "unfinished"


def test_a_folder_without_runs_is_an_empty_list(home: Path) -> None:
    shutil.rmtree("runs")
    assert list_runs().runs == ()
    (home / "none").mkdir()
    assert list_runs("none").runs == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere", "no such folder"), ("runs/whole/plan.json", "is a file"), ("runs/whole", "is a run itself")],
)
def test_what_is_no_folder_of_runs_is_refused(name: str, words: str) -> None:
    with pytest.raises(RunError, match=words) as caught:
        list_runs(name)
    assert "sightx runs" in caught.value.hint


@pytest.mark.parametrize("file", ["metrics.json", "plan.json", "fingerprint.json"])
def test_a_damaged_file_of_a_run_is_said_and_the_list_goes_on(file: str) -> None:
    Path("runs/whole", file).write_text("[")
    listener = Recorder()
    assert len(list_runs(listener=listener).runs) == 3
    assert any(f"whole/{file} cannot be read" in said for said in listener.warnings)


def test_a_damaged_journal_is_said_and_the_run_stays_unfinished() -> None:
    for file in ("journal.json", "checkpoint/journal-previous.json"):
        Path("runs/half", file).write_text("{}")
    listener = Recorder()
    assert list_runs(listener=listener).runs[0].state == "unfinished"
    assert "damaged" in " ".join(listener.warnings)
    shown = show_run("half")
    assert (shown.next, shown.next_why) == (
        "sightx runs delete runs/half",
        "nothing can go on with it: its journal is damaged",
    )


def test_runs_a_folder_deeper_are_pointed_to() -> None:
    shutil.copytree("runs/whole", "runs/study/a")
    listener = Recorder()
    assert len(list_runs(listener=listener).runs) == 3
    assert listener.notes == ["runs/study has runs of its own: sightx runs list runs/study"]


def make_leftovers() -> set[str]:
    """What killed processes leave: runs in the making, the name of the newest; a replaced run; and what users have."""
    shutil.copytree("runs/whole", "runs/.20260101-101010-natural-small")
    shutil.copytree("runs/whole/bundle", "runs/.mine-4321/bundle")
    shutil.copytree("runs/whole", "runs/.whole-replaced")
    Path("runs/.latest-77").symlink_to("whole")
    os.utime("runs/.latest-77", (time.time() - 7200,) * 2, follow_symlinks=False)
    Path("runs/.latest-78").symlink_to("whole")  # perhaps about to be renamed
    for name in (".git", ".notes-1", "notes"):
        Path("runs", name).mkdir()
        Path("runs", name, "a.txt").write_text("mine")
    return {".20260101-101010-natural-small", ".mine-4321", ".whole-replaced", ".latest-77"}


def test_what_killed_processes_left_is_listed_and_nothing_of_the_users() -> None:
    expected = make_leftovers()
    left = list_runs().leftovers
    assert {one.path.name for one in left} == expected
    assert all(one.bytes_on_disk > 0 for one in left)


def test_what_a_process_holds_is_not_left_over() -> None:
    Path("runs/.a-12").mkdir()
    lock = FolderLock(Path("runs/.a-12"))
    lock.take()
    assert list_runs().leftovers == ()
    lock.release()


def test_a_run_whose_replacement_was_killed_is_put_back_and_never_cleaned() -> None:
    Path("runs/whole").rename("runs/.whole-replaced")
    listener = Recorder()
    clean_runs(listener=listener)
    assert runs.find_run("runs/whole")
    assert "runs/whole is back" in listener.notes[0]


def test_what_is_left_of_a_fit_killed_at_its_very_start_is_unfinished() -> None:
    Path("runs/new/checkpoint").mkdir(parents=True)
    assert {one.run.name: one.state for one in list_runs().runs}["new"] == "unfinished"


# --- one run ---


def test_a_finished_run_is_shown_with_figures_files_and_the_command_that_made_it(digits: Path) -> None:
    shown = show_run("whole")
    figures = json.loads(Path("runs/whole/metrics.json").read_text())
    assert shown.parts["valid"].metrics == figures["valid"]["metrics"]
    assert shown.parts["valid"].intervals == figures["valid"]["intervals"]
    assert shown.selected_on
    assert f"sightx fit {digits} --recipe natural-small" in str(shown.command)
    assert "natural-small" in shown.sentence
    assert set(shown.files) == {name + "/" * Path("runs/whole", name).is_dir() for name in list_names("runs/whole")}
    assert sum(shown.files.values()) == shown.summary.bytes_on_disk
    assert shown.next == "sightx predict FOLDER --model runs/whole"


def test_without_a_name_the_newest_is_shown_and_an_interrupted_one_can_go_on() -> None:
    shown = show_run()
    assert shown.summary.run.name == "early"
    assert (shown.next, shown.next_why) == (
        "sightx fit --resume runs/early",
        "goes on with it; sightx predict FOLDER uses its best epoch so far",
    )
    assert shown.parts


def test_without_a_finished_run_one_that_was_begun_is_named() -> None:
    delete_runs(["whole", "early"])
    with pytest.raises(RunError, match="is finished yet") as caught:
        show_run()
    assert caught.value.hint == "sightx runs show half shows one that was begun"


def test_an_unfinished_run_is_shown_with_the_command_that_goes_on_and_it_does() -> None:
    shown = show_run(Path("runs/half"))
    assert (shown.parts, shown.next) == ({}, "sightx fit --resume runs/half")
    assert "--folds 0" in str(shown.command)
    fit(resume="runs/half")
    assert show_run("half").summary.state == "finished"
    assert show_run("half").command == shown.command


def test_a_run_begun_by_another_version_says_so() -> None:
    for file in (Path("runs/half/journal.json"), Path("runs/half/checkpoint/journal-previous.json")):
        facts = json.loads(file.read_text())["journal"] | {"sightx": "0.0.1", "format": 0, "points": [{"odd": 1}]}
        file.write_text(json.dumps({"checksum": zlib.crc32(json.dumps(facts, indent=1).encode()), "journal": facts}))
    shown = show_run("half")
    assert "version 0.0.1 alone can go on with it" in shown.next_why
    assert shown.summary.reached == ""


@pytest.mark.parametrize(("name", "words"), [("nowhere", "no such run"), (".", "not a run"), ("notes", "no such run")])
def test_what_is_no_run_is_not_shown(name: str, words: str) -> None:
    with pytest.raises(RunError, match=words):
        show_run(name)


# --- names ---


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda name, digits: predict(digits / "one", model=name), None),
        (lambda name, _: audit(Path(name)), None),
        (lambda name, _: compare([name, "early"]), None),
        (lambda name, digits: fit(digits, from_run=name, out=runs.RUNS / name), "--from and --out both name"),
        (lambda name, _: fit(resume=name), "is finished"),
    ],
    ids=["predict", "audit", "compare", "from", "resume"],
)
def test_what_takes_a_run_takes_its_name_as_listed(call: Any, words: str | None, digits: Path) -> None:
    (name,) = [one.run.name for one in list_runs().runs if one.run.name == "whole"]
    with pytest.raises(SightXError, match=words) if words else contextlib.nullcontext():
        call(name, digits)


# --- deleting ---


def test_a_deleted_run_is_gone_whole_and_latest_names_the_newest_left() -> None:
    listener = Recorder()
    freed = delete_runs(["runs/latest"], listener=listener)
    assert [path.name for path in freed.removed] == ["early"]
    assert freed.bytes_freed > 0
    assert list_names() == ["half", "latest", "whole"]
    assert read_latest() == "whole"
    assert listener.notes == ["latest is runs/early", "runs/latest now names runs/whole"]


def test_latest_goes_with_the_last_finished_run() -> None:
    listener = Recorder()
    delete_runs(["whole", "early", Path("runs/whole")], listener=listener)
    assert list_names() == ["half"]
    assert "runs/latest is gone too" in listener.notes[-1]


def test_latest_stays_where_another_run_is_deleted() -> None:
    delete_runs(["whole"])
    assert read_latest() == "early"


def test_latest_as_a_text_file_moves_on_too(home: Path) -> None:
    Path("runs/latest").unlink()
    Path("runs/latest").write_text(f"{home / 'runs' / 'early'}\n")
    delete_runs(["latest"])
    assert runs.find_run(None).name == "whole"


def test_a_run_elsewhere_is_deleted_and_latest_moves_on(home: Path, tmp_path: Path) -> None:
    shutil.move("runs/whole", tmp_path / "elsewhere")
    runs.name_latest(tmp_path / "elsewhere")
    delete_runs([tmp_path / "elsewhere"])
    assert not (tmp_path / "elsewhere").exists()
    assert read_latest() == "early"


def test_nothing_is_deleted_where_the_answer_is_no() -> None:
    before, asked = list_names(), list[Removal]()
    Path("runs/whole/notes.txt").write_text("mine")

    def refuse(removal: Removal) -> bool:
        asked.append(removal)
        return False

    assert delete_runs(["whole", "half"], agree=refuse).removed == ()
    assert list_names() == before
    assert not list(Path("runs").rglob(".lock"))
    assert asked[0].command == "sightx runs delete runs/whole runs/half --yes"
    assert [item.what for item in asked[0].items] == ["finished", "unfinished at stage: head, epoch 2 of 2"]
    assert asked[0].items[0].others == ("notes.txt",)


def test_no_fit_goes_on_with_a_run_while_it_is_asked_about() -> None:
    def go_on(removal: Removal) -> bool:
        with pytest.raises(RunError, match="another process works on it"):
            fit(resume="runs/half")
        return True

    delete_runs(["half"], agree=go_on)
    assert list_names() == ["early", "latest", "whole"]


def test_nothing_is_deleted_unless_all_can_be() -> None:
    lock = FolderLock(Path("runs/half"))
    lock.take()
    with pytest.raises(RunError, match="a process works on this run"):
        delete_runs(["whole", "half"])
    lock.release()
    assert list_names() == ["early", "half", "latest", "whole"]


def test_what_is_no_run_is_never_deleted(home: Path) -> None:
    (home / "images").mkdir()
    (home / "images" / "a.png").write_text("mine")
    for name in ("images", ".", "/", "runs", "runs/whole/bundle", "runs/whole/plan.json", "nowhere"):
        with pytest.raises(RunError, match=r"not a run|no such run"):
            delete_runs([name])
    assert (home / "images" / "a.png").exists()
    assert list_names("runs/whole/bundle")


@pytest.mark.parametrize("name", ["runs/link", "deep/whole", "runs/link/../whole"])
def test_a_path_through_a_link_is_refused_with_the_true_one(home: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree("runs", tmp_path / "other" / "runs", symlinks=True)
    Path("runs/link").symlink_to(tmp_path / "other" / "runs" / "half")
    Path("deep").symlink_to(tmp_path / "other" / "runs")
    with pytest.raises(RunError, match="leads through a link to") as caught:
        delete_runs([name])
    assert f"sightx runs delete {tmp_path}/other/runs/" in caught.value.hint
    assert list_names(tmp_path / "other" / "runs") == ["early", "half", "latest", "whole"]
    assert (home / "runs" / "whole" / "plan.json").exists()


def test_a_run_with_another_in_it_is_refused() -> None:
    shutil.copytree("runs/half", "runs/whole/inner")
    with pytest.raises(RunError, match="has another run in it"):
        delete_runs(["whole"])
    shutil.copytree("runs/whole", "runs/half/inner")
    listener = Recorder()
    assert clean_runs(listener=listener).removed == ()
    assert "runs/half is kept" in listener.warnings[0]


def test_the_run_that_a_deleted_one_replaced_does_not_come_back() -> None:
    shutil.copytree("runs/whole", "runs/.whole-replaced")
    delete_runs(["whole"])
    list_runs()
    assert list_names() == ["early", "half", "latest"]


def test_a_deletion_that_is_killed_leaves_no_half_run_but_something_to_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(path: Path) -> None:
        (path / "bundle" / "weights.safetensors").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            delete_runs(["early"])
    assert [one.run.name for one in list_runs().runs] == ["half", "whole"]
    assert read_latest() == "whole"
    assert len(list_runs().leftovers) == 1
    clean_runs()
    assert list_names() == ["latest", "whole"]


# --- cleaning ---


def test_cleaning_removes_unfinished_runs_and_leftovers_and_nothing_else() -> None:
    expected = make_leftovers() | {"half"}
    size = sum(one.bytes_on_disk for one in list_runs().leftovers) + list_runs().runs[0].bytes_on_disk
    freed = clean_runs()
    assert {path.name for path in freed.removed} == expected
    assert freed.bytes_freed == size
    assert list_names() == [".git", ".latest-78", ".notes-1", "early", "latest", "notes", "whole"]
    assert read_latest() == "early"
    assert clean_runs().removed == ()


def test_cleaning_never_touches_what_a_process_works_on() -> None:
    lock = FolderLock(Path("runs/half"))
    lock.take()
    assert clean_runs().removed == ()
    lock.release()
    assert list_names() == ["early", "half", "latest", "whole"]


def test_cleaning_a_folder_elsewhere_says_the_command_for_it(tmp_path: Path) -> None:
    shutil.copytree("runs", tmp_path / "other", symlinks=True)
    asked = list[str]()
    clean_runs(tmp_path / "other", agree=lambda removal: bool(asked.append(removal.command)))
    assert asked == [f"sightx runs clean {tmp_path / 'other'} --yes"]
