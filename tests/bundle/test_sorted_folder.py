"""Labelled files go to a folder of their class: none is replaced, none leaves the folder, none is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sightx_cli.bundle import sorted_folder as module
from sightx_cli.bundle.sorted_folder import SortedFolder, make_safe
from sightx_cli.task.kinds import load_task


def build(folder: Path, *classes: str) -> SortedFolder:
    return SortedFolder(folder, load_task({"kind": "single-label", "classes": list(classes)}))


def put(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def say(prediction: str, status: str = "sure", error: str = "") -> dict[str, str]:
    return {"prediction": prediction, "status": status, "error": error}


def test_a_file_goes_to_its_class_and_an_unreadable_one_aside(tmp_path: Path) -> None:
    place = build(tmp_path / "out", "ants", "bees")
    assert place.move(put(tmp_path / "a.png"), say("bees")) == tmp_path / "out" / "bees" / "a.png"
    assert place.move(put(tmp_path / "b.png"), say("", "", "is empty")) == tmp_path / "out" / "unreadable" / "b.png"
    assert place.move(put(tmp_path / "c.png"), say("", "unfamiliar")) == tmp_path / "out" / "unfamiliar" / "c.png"
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_several_labels_share_a_folder_and_none_has_its_own(tmp_path: Path) -> None:
    task = load_task({"kind": "multi-label", "classes": ["a", "b"], "separator": ";"})
    place = SortedFolder(tmp_path, task)
    for labels, folder in (("a;b", "a;b"), ("", "no label")):
        row = {"predictions": labels, "status": "sure", "error": ""}
        assert place.choose(row) == tmp_path / folder


def test_nothing_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "out" / "ants").mkdir(parents=True)
    (tmp_path / "out" / "ants" / "a-2.png").symlink_to("nowhere")
    put(tmp_path / "out" / "ants" / "a.png", "before")
    place = build(tmp_path / "out", "ants", "bees")
    for number in (3, 4, 5):
        assert place.move(put(tmp_path / "a.png", str(number)), say("ants")).name == f"a-{number}.png"
    found = {one.name: one.read_text() for one in (tmp_path / "out" / "ants").iterdir() if one.exists()}
    assert found == {"a.png": "before", "a-3.png": "3", "a-4.png": "4", "a-5.png": "5"}


def test_a_move_that_was_interrupted_is_ended_and_not_made_twice(tmp_path: Path) -> None:
    file = put(tmp_path / "a.png")
    (tmp_path / "out" / "ants").mkdir(parents=True)
    os.link(file, tmp_path / "out" / "ants" / "a.png")
    build(tmp_path / "out", "ants", "bees").move(file, say("ants"))
    assert [one.name for one in (tmp_path / "out" / "ants").iterdir()] == ["a.png"]
    assert not file.exists()


@pytest.mark.parametrize("fault", ["EXDEV", "EPERM"])
def test_other_disks_and_disks_without_links_do_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    import errno

    link = os.link

    def refuse(one: Path, other: Path) -> None:
        if Path(one).parent != Path(other).parent:
            raise OSError(getattr(errno, fault), "not there")
        link(one, other)

    monkeypatch.setattr(module.os, "link", refuse)
    place = build(tmp_path / "out", "ants", "bees")
    os.utime(put(tmp_path / "a.png", "first"), (9, 9))
    place.move(tmp_path / "a.png", say("ants"))
    place.move(put(tmp_path / "a.png", "second"), say("ants"))
    found = {one.name: one.read_text() for one in (tmp_path / "out" / "ants").iterdir()}
    assert found == {"a.png": "first", "a-2.png": "second"}
    assert (tmp_path / "out" / "ants" / "a.png").stat().st_mtime == 9
    assert not (tmp_path / "a.png").exists()


def test_a_link_is_moved_as_a_link_to_the_same_file(tmp_path: Path) -> None:
    put(tmp_path / "store" / "a.png", "there")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").symlink_to("../store/a.png")
    moved = build(tmp_path / "out", "ants", "bees").move(tmp_path / "in" / "a.png", say("ants"))
    assert (moved.is_symlink(), moved.read_text()) == (True, "there")
    assert list((tmp_path / "in").iterdir()) == []


HOSTILE = ["..", ".", "../../etc", "a/b", "a\\b", "a:b", "CON", "nul.txt", "", " ", "x.", "x ", ".x", "\0", "é" * 200]


@pytest.mark.parametrize("name", HOSTILE)
def test_the_name_of_a_class_is_one_safe_name(name: str) -> None:
    safe = make_safe(name)
    assert safe
    assert not set(safe) & set('<>:"/\\|?*\0')
    assert not safe.startswith(".")
    assert safe == safe.rstrip(". ")
    assert safe.split(".")[0].lower() not in ("con", "nul")
    assert len(safe.encode()) < 200


def test_every_class_has_a_folder_of_its_own_in_any_case_of_its_letters(tmp_path: Path) -> None:
    classes = ["a/b", "a_b", "A_B", "unreadable", "..", "_"]
    place = build(tmp_path, *classes)
    folders = [place.choose(say(name)) for name in classes] + [place.choose(say("", "", "is empty"))]
    assert len({str(one).casefold() for one in folders}) == len(folders)
    assert {one.parent for one in folders} == {tmp_path}


def test_a_file_that_lies_in_its_folder_stays_there(tmp_path: Path) -> None:
    path = put(tmp_path / "out" / "ants" / "a.png")
    (tmp_path / "link").symlink_to(path.parent)
    place = build(tmp_path / "out", "ants", "bees")
    for one in (path, tmp_path / "link" / "a.png"):
        assert place.move(one, say("ants")) == one
        assert path.read_text() == "x"
