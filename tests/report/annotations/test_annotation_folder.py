"""The folder of annotations: whole or not at all, and a person's corrections are never written over."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightx_cli.errors import UsageError
from sightx_cli.report.annotations import FORMATS, find_format
from sightx_cli.report.annotations.annotation_folder import choose_annotation_folder
from sightx_cli.report.annotations.interface import Annotated, Written, find_root, settle_path
from sightx_cli.report.annotations.labelme_flags import LabelmeFlags

SAID = [("in/a.png", (0.9, 0.05, 0.05), "sure"), ("in/b.png", (0.3, 0.6, 0.1), "unsure")]
LABELME = LabelmeFlags()


@pytest.fixture(autouse=True)
def images(tmp_path: Path, write_photo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, _, _ in SAID:
        write_photo(tmp_path / name)


def choose(folder: Path | None, overwrite: bool = False, output: str = "predictions.csv") -> Path:
    return choose_annotation_folder(LABELME, folder, Path(output), overwrite)


def test_the_folder_lies_beside_the_table_by_default(tmp_path: Path) -> None:
    assert choose(None, output="tables/march.csv") == tmp_path / "tables" / "march-labelme"
    assert choose(Path("mine")) == tmp_path / "mine"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    assert choose(Path("mine")) == tmp_path / "mine"


def test_a_folder_of_annotations_is_replaced_only_when_asked(annotate: Any, tmp_path: Path) -> None:
    folder = annotate("labelme", SAID).folder
    with pytest.raises(UsageError, match="exists already"):
        choose(folder)
    assert choose(folder, overwrite=True) == folder
    annotate("labelme", SAID[:1])
    assert sorted(path.name for path in folder.glob("*.json")) == [".sightx-annotations.json", "a.json"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("change", ["edit", "add"])
def test_what_a_person_changed_there_is_not_replaced_even_when_asked(annotate: Any, change: str) -> None:
    folder = annotate("labelme", SAID).folder
    (folder / ("a.json" if change == "edit" else "mine.txt")).write_text("mine")
    with pytest.raises(UsageError, match="1 of its files were changed or added"):
        choose(folder, overwrite=True)


def test_a_folder_of_something_else_is_not_replaced_even_when_asked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no annotations of SightX"):
        choose(tmp_path / "in", overwrite=True)


@pytest.mark.parametrize("folder", [".", "predictions.csv"])
def test_the_folder_is_not_where_the_table_will_lie(folder: str) -> None:
    with pytest.raises(UsageError, match=r"predictions\.csv will lie there"):
        choose(Path(folder))


def test_the_folder_is_not_where_heatmaps_will_lie() -> None:
    with pytest.raises(UsageError, match="maps will lie there"):
        choose_annotation_folder(LABELME, Path("maps"), Path("predictions.csv"), True, [Path("maps")])


def test_what_came_to_lie_there_meanwhile_is_kept(annotate: Any, tmp_path: Path) -> None:
    class Appearing(LabelmeFlags):
        def write(self, annotated: Annotated, folder: Path) -> Written:
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "mine.txt").write_text("mine")
            return super().write(annotated, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(FORMATS, "labelme", Appearing())
        with pytest.raises(UsageError, match="holds no annotations of SightX"):
            annotate("labelme", SAID)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out", "run"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        choose(Path("mine"))


def test_what_fails_half_way_leaves_nothing(annotate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sightx_cli.report.annotations.labelme_flags.save_lines", fail)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="No space left"):
        annotate("labelme", SAID)
    assert sorted(tmp_path.iterdir()) == before


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightx_cli.report.annotations.annotation_folder.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs the package highdicom") as caught:
        choose_annotation_folder(find_format("dicom-sr"), None, Path("p.csv"), False)
    assert caught.value.hint == "type pip install 'sightx-cli[structured-report]'"


def test_an_unknown_format_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="--into voc: allowed are labelme, coco, fiftyone, labelstudio, dicom-sr"):
        find_format("voc")
    assert [one.name for one in FORMATS.values()] == list(FORMATS)


def test_a_path_with_two_dots_is_settled_and_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "in")
    assert settle_path(f"{tmp_path}/in/../in/a.png") == f"{tmp_path}/in/a.png"
    assert settle_path(f"{tmp_path}/link/a.png") == f"{tmp_path}/link/a.png"


@pytest.mark.skipif(sys.platform == "win32", reason="drives")
def test_the_root_of_one_file_is_its_folder() -> None:
    assert find_root(["/x/a/1.png"]) == Path("/x/a")
    assert find_root(["/x/a/1.png", "/x/ab/1.png"]) == Path("/x")
    assert find_root(["/1.png", "/x/2.png"]) == Path("/")
