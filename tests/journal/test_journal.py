"""The journal of a run: whole or the one before, one process at a time, and gone when the run is whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sightx_cli import runs
from sightx_cli.errors import RunError
from sightx_cli.filesystem import FolderLock, is_locked
from sightx_cli.journal.journal import PREVIOUS, Journal, begin_journal, open_journal, read_journal
from sightx_cli.journal.points import Point, write_point_file


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal just begun, in `runs/run`."""
    return begin_journal(tmp_path / "runs" / "run", {"source": "scans", "seed": 3})


def keep_point(journal: Journal, number: int) -> Point:
    """Keep a point with one small file."""
    name = f"epoch-{number}.safetensors"
    checksum = write_point_file(journal.checkpoint / name, lambda aside: aside.write_text(f"state {number}"))
    point = Point(number, 0, "head", number, 9, False, name, "", {name: checksum})
    journal.keep(point)
    return point


def make_result(journal: Journal) -> Path:
    """The least that a finished run has."""
    result = journal.make_result_folder()
    (result / "bundle").mkdir()
    for name in ("plan.json", "bundle/bundle.json"):
        (result / name).write_text("new")
    return result


def list_all(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_run_that_is_begun_is_unfinished_and_locked_and_can_be_gone_on_with_once_it_is_free(journal: Journal) -> None:
    assert runs.is_unfinished(journal.folder)
    assert is_locked(journal.folder)
    with pytest.raises(RunError, match="another process works on it"):
        open_journal(journal.folder)
    journal.close()
    again, said = open_journal(journal.folder)
    assert (again.facts, said) == (journal.facts, "")
    again.close()


def test_only_one_run_is_begun_in_a_folder(journal: Journal) -> None:
    before = list_all(journal.folder)
    with pytest.raises(FileExistsError):
        begin_journal(journal.folder, {})
    assert list_all(journal.folder) == before
    assert is_locked(journal.folder)


def test_the_newest_two_points_are_kept_and_the_files_of_no_other(journal: Journal) -> None:
    points = [keep_point(journal, number) for number in (1, 2, 3)]
    assert journal.points == points[1:]
    assert sorted(path.name for path in journal.checkpoint.glob("*.safetensors")) == [one.state for one in points[1:]]
    journal.close()
    again, _ = open_journal(journal.folder)
    assert again.points == points[1:]
    assert again.find_point() == points[2]
    again.close()


def test_a_damaged_point_is_forgotten_and_the_one_before_is_gone_on_from(journal: Journal) -> None:
    first, second = (keep_point(journal, number) for number in (1, 2))
    (journal.checkpoint / second.state).write_text("other")
    assert journal.find_point() == first
    assert journal.points == [first]
    (journal.checkpoint / first.state).unlink()
    assert journal.find_point() is None


@pytest.mark.parametrize("harm", ["cut", "a digit", "empty", "gone", "a list"])
def test_a_damaged_journal_gives_way_to_the_one_before_and_says_so(journal: Journal, harm: str) -> None:
    points = [keep_point(journal, number) for number in (1, 2, 3)]
    journal.close()
    file = journal.folder / "journal.json"
    text = file.read_text()
    if harm == "gone":
        file.unlink()
    else:
        found = {"cut": text[:-9], "a digit": text.replace('"seed": 3', '"seed": 4'), "empty": "", "a list": "[1]"}
        file.write_text(found[harm])
    again, said = open_journal(journal.folder)
    assert "journal.json is damaged" in said
    assert again.find_point() == points[1]
    again.close()


def test_a_journal_that_is_damaged_with_the_one_before_is_refused_and_nothing_is_lost(journal: Journal) -> None:
    keep_point(journal, 1)
    journal.close()
    for path in (journal.folder / "journal.json", journal.checkpoint / PREVIOUS):
        path.write_text("{}")
    before = list_all(journal.folder)
    with pytest.raises(RunError, match="its journal is damaged"):
        open_journal(journal.folder)
    assert list_all(journal.folder) == before
    assert runs.is_unfinished(journal.folder), "never taken for a whole one"


def test_decisions_are_read_as_they_were_kept_and_refused_where_they_are_damaged(journal: Journal) -> None:
    assert not journal.has_decisions
    journal.keep_decisions('{"recipe": "ä"}')
    assert journal.has_decisions
    assert journal.read_decisions() == '{"recipe": "ä"}'
    for harm in ('{"recipe": "b"}', ""):
        (journal.checkpoint / "decisions.json").write_text(harm)
        with pytest.raises(RunError, match=r"decisions\.json is damaged"):
            journal.read_decisions()
    (journal.checkpoint / "decisions.json").unlink()
    with pytest.raises(RunError, match=r"decisions\.json is damaged"):
        journal.read_decisions()


@pytest.mark.parametrize("other", [{"sightx": "0.0.1"}, {"format": 99}], ids=str)
def test_a_run_of_another_version_is_refused_and_free_again(journal: Journal, other: dict[str, object]) -> None:
    journal.facts |= other
    journal.write()
    journal.close()
    with pytest.raises(RunError, match="was begun by sightx") as caught:
        open_journal(journal.folder)
    assert "go on with that version" in caught.value.hint
    assert not is_locked(journal.folder)


@pytest.mark.parametrize(("kind", "words"), [("nothing", "no such folder"), ("images", "is not a run")])
def test_what_is_no_unfinished_run_is_refused(tmp_path: Path, kind: str, words: str) -> None:
    if kind != "nothing":
        (tmp_path / kind).mkdir()
    with pytest.raises(RunError, match=words):
        open_journal(tmp_path / kind)
    assert list_all(tmp_path) == ([] if kind == "nothing" else [kind])


def test_files_half_written_by_a_process_that_was_killed_are_gone_when_the_run_goes_on(journal: Journal) -> None:
    keep_point(journal, 1)
    journal.close()
    before = list_all(journal.folder)
    for name in (".123-journal.json", "checkpoint/.123-epoch-2.safetensors", "checkpoint/.tmpAbC"):
        (journal.folder / name).write_text("half")
    (journal.folder / ".DS_Store").write_text("the user's")
    again, _ = open_journal(journal.folder)
    again.close()
    assert list_all(journal.folder) == sorted([".DS_Store", *before])


# --- the end ---


def test_a_finished_run_has_what_was_written_and_nothing_of_the_journal(journal: Journal) -> None:
    keep_point(journal, 1)
    assert journal.finish(make_result(journal), stopped=False) == journal.folder
    assert journal.is_finished
    assert list_all(journal.folder) == ["bundle", "bundle/bundle.json", "plan.json"]
    with pytest.raises(RunError, match="is finished"):
        open_journal(journal.folder)


def test_a_run_that_was_stopped_is_usable_and_can_go_on(journal: Journal) -> None:
    point = keep_point(journal, 1)
    journal.finish(make_result(journal), stopped=True)
    assert not runs.is_unfinished(journal.folder)
    assert runs.find_run(journal.folder) == journal.folder
    again, _ = open_journal(journal.folder)
    assert again.find_point() == point
    again.finish(make_result(again), stopped=False)
    assert list_all(journal.folder) == ["bundle", "bundle/bundle.json", "plan.json"]


def test_a_whole_run_is_finished_even_if_its_checkpoint_was_not_removed_in_time(journal: Journal) -> None:
    for number in (1, 2):
        keep_point(journal, number)
    kept = journal.checkpoint.with_name("kept")
    shutil.copytree(journal.checkpoint, kept)
    journal.finish(make_result(journal), stopped=False)
    kept.rename(journal.checkpoint)  # as a kill between the two would leave it
    assert runs.find_run(journal.folder) == journal.folder
    with pytest.raises(RunError, match="is finished"):
        open_journal(journal.folder)


@pytest.mark.parametrize("moved", range(3))
def test_a_kill_while_the_result_moves_leaves_a_run_that_is_unfinished_and_goes_on(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    point, result = keep_point(journal, 1), make_result(journal)
    count, replace = 0, Path.replace

    def stop(path: Path, target: Path) -> Path:
        nonlocal count
        if path.parent == result or path.name.endswith("journal.json"):
            if count == moved:
                raise KeyboardInterrupt
            count += 1
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            journal.finish(result, stopped=False)
    journal.close()
    assert runs.is_unfinished(journal.folder)
    with pytest.raises(RunError, match="unfinished"):
        runs.find_run(journal.folder)
    again, _ = open_journal(journal.folder)
    assert again.find_point() == point
    again.finish(make_result(again), stopped=False)
    assert list_all(journal.folder) == ["bundle", "bundle/bundle.json", "plan.json"]


@pytest.mark.parametrize("exchanges", [True, False], ids=["in one step", "by two renames"])
def test_a_run_takes_the_place_of_another_only_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    if not exchanges:
        monkeypatch.setattr("sightx_cli.runs.exchange_folders", lambda *_: False)
    old = tmp_path / "mine"
    (old / "bundle").mkdir(parents=True)
    (old / "bundle" / "bundle.json").write_text("old")
    journal = begin_journal(tmp_path / "mine-unfinished", {}, old)
    result = make_result(journal)
    assert (old / "bundle" / "bundle.json").read_text() == "old"
    assert journal.finish(result, stopped=False) == old
    assert list_all(tmp_path) == ["mine", "mine/bundle", "mine/bundle/bundle.json", "mine/plan.json"]
    assert (old / "bundle" / "bundle.json").read_text() == "new"


def test_a_kill_after_the_exchange_leaves_a_whole_run_that_still_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = begin_journal(tmp_path / "mine", {})
    old.finish(make_result(old), stopped=False)
    journal = begin_journal(tmp_path / "mine-unfinished", {}, tmp_path / "mine")
    replace_run = runs.replace_run

    def stop(made: Path, replaced: Path) -> None:
        replace_run(made, replaced)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs, "replace_run", stop)
        with pytest.raises(KeyboardInterrupt):
            journal.finish(make_result(journal), stopped=False)
    assert runs.find_run(tmp_path / "mine") == tmp_path / "mine"
    again, _ = open_journal(tmp_path / "mine")
    assert again.finish(make_result(again), stopped=False) == tmp_path / "mine"
    assert list_all(tmp_path) == ["mine", "mine/bundle", "mine/bundle/bundle.json", "mine/plan.json"]


# --- where it cannot be written ---


def test_a_run_that_is_removed_takes_only_the_folders_that_were_made_for_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    begin_journal(tmp_path / "mine" / "run", {}).remove()
    assert list_all(tmp_path) == ["mine"]
    begin_journal(tmp_path / "new" / "deep" / "run", {}).remove()
    assert list_all(tmp_path) == ["mine"]


def test_a_point_that_cannot_be_written_is_not_said_to_be_kept(journal: Journal) -> None:
    point = keep_point(journal, 1)
    (journal.checkpoint / PREVIOUS).unlink(missing_ok=True)
    (journal.checkpoint / PREVIOUS).mkdir()  # the journal cannot be written from now on
    with pytest.raises(OSError, match="Is a directory"):
        keep_point(journal, 2)
    assert journal.points == [point]
    assert [Point(**one) for one in read_journal(journal.folder)[0]["points"]] == [point]
    (journal.checkpoint / PREVIOUS).rmdir()
    third = keep_point(journal, 3)
    assert journal.points == [point, third]


def test_a_place_that_cannot_be_written_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for under in ("file/run", "file/deep/run"):
        with pytest.raises(RunError, match=f"{under}: cannot be written"):
            begin_journal(tmp_path / under, {})
    assert list_all(tmp_path) == ["file"]


def test_what_the_journal_holds_is_plain_json(journal: Journal) -> None:
    keep_point(journal, 1)
    found = json.loads((journal.folder / "journal.json").read_text())
    assert found["journal"]["options"] == {"source": "scans", "seed": 3}
    assert not [path for path in journal.folder.rglob("*") if path.suffix in (".pkl", ".pth", ".pt")]


def test_a_run_that_is_interrupted_as_it_begins_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(lock: FolderLock) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(FolderLock, "take", interrupt)
    with pytest.raises(KeyboardInterrupt):
        begin_journal(tmp_path / "run", {})
    assert list(tmp_path.iterdir()) == []
