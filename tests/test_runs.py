"""A run folder: where it lies, that it appears whole or not at all, and how it is found again."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sightx_cli import runs
from sightx_cli.errors import RunError, UsageError
from sightx_cli.report.hidden_folder import making_folder
from sightx_cli.report.result_folder import choose_picture

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which `runs/` is."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def make_run(folder: Path) -> Path:
    """The least that a finished run has."""
    (folder / "bundle").mkdir(parents=True)
    for name in ("plan.json", "bundle/bundle.json"):
        (folder / name).write_text("{}")
    return folder


def list_names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- where a run lies ---


def test_without_out_a_run_lies_under_runs_by_time_and_recipe(home: Path) -> None:
    folder = runs.choose_run_folder("natural-small", None, False)
    assert folder.parent == home / "runs"
    assert re.fullmatch(r"\d{8}-\d{6}-natural-small", folder.name)


def test_a_second_run_in_the_same_second_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    first = runs.choose_run_folder("a", None, False)
    first.mkdir(parents=True)
    names = {first.name}
    for _ in range(3):  # within one second, or the next: never a name that is there
        folder = runs.choose_run_folder("a", None, False)
        folder.mkdir()
        names.add(folder.name)
    assert len(names) == 4


def test_a_recipe_of_an_odd_name_makes_a_plain_folder() -> None:
    assert re.fullmatch(r"[\w.-]+", runs.choose_run_folder("my/é recipe", None, False).name)


def test_out_that_exists_is_refused(home: Path) -> None:
    make_run(home / "mine")
    with pytest.raises(RunError, match="exists already") as caught:
        runs.choose_run_folder("a", Path("mine"), False)
    assert "--overwrite" in caught.value.hint


def test_overwrite_takes_a_run_or_an_empty_folder(home: Path) -> None:
    make_run(home / "mine")
    (home / "empty").mkdir()
    for name in ("mine", "empty", "new"):
        assert runs.choose_run_folder("a", Path(name), True) == home / name


@pytest.mark.parametrize("place", ["notes.txt", "bundle/notes.txt", "predictions/mine.csv", "export/onnx/notes.txt"])
def test_overwrite_takes_no_run_with_a_file_of_the_users_in_it(digits_run: FitResult, home: Path, place: str) -> None:
    own = Path(shutil.copytree(digits_run.run, home / "mine"))
    (own / "export" / "onnx").mkdir(parents=True)
    (own / "export" / "onnx" / "export.json").write_text('{"files": {"model.onnx": ""}}')
    (own / "export" / "onnx" / "model.onnx").write_text("")
    (own / ".DS_Store").write_text("")
    assert runs.choose_run_folder("a", own, True) == own  # all that a fit and an export make, and nothing else
    (own / place).write_text("mine")
    with pytest.raises(RunError, match=f"holds what SightX did not make there, {place}, so it is not") as caught:
        runs.choose_run_folder("a", own, True)
    assert caught.value.exit_code == 2
    assert "move that elsewhere" in caught.value.hint
    assert (own / place).read_text() == "mine"


def test_of_many_foreign_files_three_are_named(home: Path) -> None:
    own = make_run(home / "mine")
    for number in range(5):
        (own / f"{number}.txt").write_text("mine")
    with pytest.raises(RunError, match=r"0\.txt, 1\.txt, 2\.txt and 2 more, so"):
        runs.choose_run_folder("a", own, True)


@pytest.mark.parametrize("kind", ["images", "a plan of something else", "a file"])
def test_overwrite_never_takes_what_is_no_run(home: Path, kind: str) -> None:
    if kind == "a file":
        (home / "mine").write_text("mine")
    else:
        (home / "mine").mkdir()
        (home / "mine" / ("plan.json" if kind.startswith("a plan") else "a.png")).write_text("mine")
    with pytest.raises(RunError, match="not a run"):
        runs.choose_run_folder("a", Path("mine"), True)
    with pytest.raises(RunError, match="exists already, and is not a run") as caught:
        runs.choose_run_folder("a", Path("mine"), False)
    assert caught.value.hint == "choose another name"


def test_overwriting_latest_takes_the_run_that_it_names(home: Path) -> None:
    runs.name_latest(make_run(home / "runs" / "first"))
    assert runs.choose_run_folder("a", Path("runs/latest"), True) == home / "runs" / "first"


def test_a_run_cannot_be_named_latest(home: Path) -> None:
    with pytest.raises(RunError, match="reserved for the newest run"):
        runs.choose_run_folder("a", Path("runs/latest"), False)


# --- whole or not at all ---


def test_a_run_appears_whole_and_can_be_read_by_others(home: Path) -> None:
    folder = home / "deep" / "run"
    with making_folder(folder) as making:
        (making.partial / "plan.json").write_text("{}")
        assert not folder.exists()
    assert list_names(folder) == ["plan.json"]
    assert folder.stat().st_mode & 0o777 == 0o755
    assert list_names(home / "deep") == ["run"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_a_run_that_fails_leaves_nothing(home: Path, error: BaseException) -> None:
    def fail() -> None:
        with making_folder(home / "runs" / "run") as making:
            (making.partial / "plan.json").write_text("{}")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert list_names(home / "runs") == []


def test_a_run_replaces_another_whole(home: Path) -> None:
    old = make_run(home / "run")
    with making_folder(old, overwrite=True) as making:
        (making.partial / "new.txt").write_text("new")
        assert (old / "plan.json").exists(), "the old run stays until the new one is whole"
    assert list_names(old) == ["new.txt"]
    assert list_names(home) == ["run"]


def test_a_run_that_was_made_meanwhile_under_the_same_name_is_not_lost(home: Path) -> None:
    with making_folder(home / "run") as making:
        make_run(home / "run")  # two fits that began in the same second
        (making.partial / "new.txt").write_text("new")
    assert making.folder == home / "run-2"
    assert list_names(home) == ["run", "run-2"]
    assert (list_names(home / "run"), list_names(home / "run-2")) == (["bundle", "plan.json"], ["new.txt"])


def test_a_replaced_run_whose_removal_is_killed_is_never_taken_for_whole(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_run(home / "run"), make_run(home / "run-unfinished")

    def stop(path: Path, ignore_errors: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.rmtree", stop)
    with pytest.raises(KeyboardInterrupt):
        runs.replace_run(new, old)
    assert runs.list_runs(home) == [old]


def test_a_failed_run_leaves_the_one_it_was_to_replace(home: Path) -> None:
    old = make_run(home / "run")
    with pytest.raises(ValueError, match="no"), making_folder(old, overwrite=True):
        raise ValueError("no")
    assert list_names(old) == ["bundle", "plan.json"]


def test_a_place_that_cannot_be_written_is_refused_with_its_name(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(RunError, match=r"file/run: cannot be written"), making_folder(home / "file" / "run"):
        pass


@pytest.mark.parametrize("before", [None, "old"])
def test_a_file_that_fails_halfway_leaves_what_was_there(home: Path, before: str | None) -> None:
    file = home / "a.json"
    if before:
        file.write_text(before)

    def fail(aside: Path) -> None:
        aside.write_text("half")
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        runs.write_file(file, fail)
    assert list_names(home) == (["a.json"] if before else [])
    assert not before or file.read_text() == before


def test_json_takes_paths_and_numbers_of_numpy(home: Path) -> None:
    content = {"path": Path("/a/b"), "count": np.int64(3), "rate": np.float32(0.5), "row": np.arange(2), "ä": "é"}
    runs.write_json(home / "a.json", content)
    text = (home / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"path": "/a/b", "count": 3, "rate": 0.5, "row": [0, 1], "ä": "é"}
    assert "é" in text


def test_json_of_something_else_is_a_defect_said_by_its_type(home: Path) -> None:
    with pytest.raises(TypeError, match="set has no JSON form"):
        runs.write_json(home / "a.json", {"a": {1, 2}})


# --- found again ---


def test_latest_names_the_newest_run_under_runs_by_a_link_that_can_move(home: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        runs.name_latest(make_run(home / "runs" / name))
    assert Path("runs/latest").readlink() == Path("second")
    home.rename(tmp_path / "moved")
    os.chdir(tmp_path / "moved")
    assert runs.find_run(None) == tmp_path / "moved" / "runs" / "second"


def test_latest_names_a_run_wherever_it_lies(home: Path, tmp_path: Path) -> None:
    elsewhere = make_run(tmp_path / "elsewhere")
    runs.name_latest(elsewhere)
    assert runs.find_run(None) == elsewhere
    assert list_names(home / "runs") == ["latest"]


@pytest.mark.parametrize("model", [None, Path("runs/latest")])
def test_latest_may_be_a_text_file_where_links_are_not_allowed(home: Path, model: Path | None) -> None:
    run = make_run(home / "elsewhere")
    (home / "runs").mkdir()
    (home / "runs" / "latest").write_text(f"{run}\n")
    assert runs.find_run(model) == run


@pytest.mark.parametrize("given", ["run", "run/bundle", "runs/latest", "runs/latest/bundle"])
def test_a_run_is_found_by_its_folder_its_bundle_or_latest(home: Path, given: str) -> None:
    run = make_run(home / "run")
    runs.name_latest(run)
    assert runs.find_run(Path(given)) == run


def test_without_any_run_it_says_how_to_make_one(home: Path) -> None:
    with pytest.raises(RunError, match=r"no run yet.*runs/latest") as caught:
        runs.find_run(None)
    assert "sightx fit" in caught.value.hint


def test_a_newest_run_that_was_deleted_is_said_so(home: Path) -> None:
    run = make_run(home / "runs" / "run")
    runs.name_latest(run)
    run.rename(home / "away")
    with pytest.raises(RunError, match="gone"):
        runs.find_run(None)


@pytest.mark.parametrize(("given", "words"), [("nowhere", "no such run folder"), ("images", "not a finished run")])
def test_a_folder_that_is_no_run_is_refused_by_name(home: Path, given: str, words: str) -> None:
    (home / "images").mkdir()
    with pytest.raises(RunError, match=f"{given}.*{words}"):
        runs.find_run(Path(given))


@pytest.mark.parametrize("given", ["there", "latest"])
def test_a_run_is_found_by_its_name_in_runs(home: Path, given: str) -> None:
    run = make_run(home / "runs" / "there")
    runs.name_latest(run)
    (home / "there").write_text("a file of this name is no folder")
    assert runs.find_run(given) == run


def test_a_folder_here_comes_before_a_run_of_its_name(home: Path) -> None:
    make_run(home / "runs" / "both")
    here = make_run(home / "both")
    assert runs.find_run("both") == here
    with pytest.raises(RunError, match="not a finished run"):
        runs.find_run(".")


@pytest.mark.parametrize("name", ["scans", "measured"])
def test_a_folder_here_without_results_hides_no_run_of_its_name(home: Path, name: str) -> None:
    run = make_run(home / "runs" / name)
    (home / "scans" / "cat").mkdir(parents=True)
    (home / "measured").mkdir()
    (home / "measured" / runs.METRICS).write_text("{}")
    assert runs.resolve_run(name) == (run.relative_to(home) if name == "scans" else Path(name))


@pytest.mark.parametrize("given", ["notes", "no/there", "latest"])
def test_a_name_of_no_run_is_refused_as_it_was_typed_and_the_list_is_named(home: Path, given: str) -> None:
    (home / "runs" / "notes").mkdir(parents=True)
    with pytest.raises(RunError, match=f"^{given}: no such run folder") as caught:
        runs.find_run(given)
    assert "sightx runs list" in caught.value.hint


# --- where a command's picture lies ---


@pytest.mark.parametrize(("out", "picture"), [("a/curve.png", "a/curve.png"), ("folder", "folder/lr-find.png")])
def test_out_is_a_picture_or_a_folder_for_it_and_one_that_exists_is_kept(home: Path, out: str, picture: str) -> None:
    assert choose_picture("lr-find", Path(out), False) == home / picture
    (home / picture).parent.mkdir()
    (home / picture).write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        choose_picture("lr-find", Path(out), False)
    assert choose_picture("lr-find", Path(out), True) == home / picture


def test_without_out_a_picture_lies_under_runs_by_time_and_command(home: Path) -> None:
    picture = choose_picture("probe", None, False)
    assert picture.parent == home / "runs"
    assert re.fullmatch(r"\d{8}-\d{6}-probe\.png", picture.name)


def test_without_a_whole_run_the_unfinished_one_is_named(home: Path) -> None:
    (home / "runs" / "half").mkdir(parents=True)
    (home / "runs" / "half" / "journal.json").write_text("{}")
    with pytest.raises(RunError, match="no run yet") as raised:
        runs.find_run(None)
    assert raised.value.hint == "sightx fit --resume runs/half goes on with an unfinished one"
