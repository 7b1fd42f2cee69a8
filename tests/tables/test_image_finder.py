"""A table's names lead to the files that they mean, where that is unambiguous, and nothing is done without a word."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from sightx_cli.data.readers import list_suffixes
from sightx_cli.errors import DataError
from sightx_cli.tables.image_finder import FEW, ImageFinder
from sightx_cli.tables.located_images import LocatedImages, locate_images


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def locate(root: Path, *names: str, images: Path | None = None) -> LocatedImages:
    return locate_images(names, ImageFinder(root, images, list_suffixes()), root / "t.csv")


def find(root: Path, name: str, images: Path | None = None) -> str:
    """The file of one name, relative to `root`; "" where there is none."""
    located = locate(root, name, images=images)
    return "" if located.missing else Path(located.paths[0]).relative_to(root).as_posix()


@pytest.mark.parametrize("name", ["img/a.png", "img\\a.png", "./img/a.png", " img/a.png ", "img//a.png"])
def test_a_name_that_is_a_file_is_that_file_without_a_word(tmp_path: Path, name: str) -> None:
    located = locate(make(tmp_path, "img/a.png", "a.jpg", "img/a.jpg"), name)
    assert located.paths == [str(tmp_path / "img" / "a.png")]
    assert (located.missing, located.notices) == ([], [])


@pytest.mark.parametrize(
    ("files", "name", "found"),
    [
        (["b0.jpeg"], "b0", "b0.jpeg"),
        (["train/b0.jpeg"], "b0", "train/b0.jpeg"),
        (["train/b0.JPG"], "b0", "train/b0.JPG"),
        (["train/b0.jpeg"], "b0.jpeg", "train/b0.jpeg"),
        (["train/b0.jpeg"], "b0.JPEG", "train/b0.jpeg"),
        (["train/b0.jpeg"], "train/b0", "train/b0.jpeg"),
        (["Train/B0.jpeg"], "train/b0", "Train/B0.jpeg"),
        (["data/train/b0.jpeg"], "train/b0", "data/train/b0.jpeg"),
        (["train/b0.jpeg", "old/train/b0.jpeg"], "train/b0", "train/b0.jpeg"),
        (["img/scan.1.png"], "scan.1", "img/scan.1.png"),
        (["b0/readme.txt", "train/b0.jpeg"], "b0", "train/b0.jpeg"),
        (["b0.txt", "b0.json", "b0.png"], "b0", "b0.png"),
        (["B0.png", "b0.png"], "b0", "b0.png"),
        (["train/a.jpg", "train/a.png"], "a.jpg", "train/a.jpg"),
        ([".cache/b0.jpg", "__MACOSX/b0.jpg", "img/b0.jpg"], "b0", "img/b0.jpg"),
    ],
)
def test_ids_are_completed(tmp_path: Path, files: list[str], name: str, found: str) -> None:
    assert find(make(tmp_path, *files), name) == found


def test_what_was_completed_is_said_once_with_an_example(tmp_path: Path) -> None:
    make(tmp_path, *(f"train/b{number}.jpeg" for number in range(30)))
    located = locate(tmp_path, *(f"b{number}" for number in range(30)))
    assert [(one.kind, one.count, one.warns) for one in located.notices] == [("completed-names", 30, False)]
    assert located.notices[0].text == "30 image names of t.csv completed to files in train/, such as b0 → train/b0.jpeg"


def test_many_names_are_found_by_listing_as_few_are_one_by_one(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(FEW + 1)]
    make(tmp_path, *names, "img/x.png")
    located = locate(tmp_path, *names, "gone.png", "x")
    assert located.paths[:-2] == [str(tmp_path / name) for name in names]
    assert located.missing == [FEW + 1]
    assert located.paths[-1] == str(tmp_path / "img" / "x.png")


def test_another_ending_is_used_and_warned_of(tmp_path: Path) -> None:
    located = locate(make(tmp_path, "a.png", "sub/b.tif"), "a.jpg", "b.jpg")
    assert located.paths == [str(tmp_path / "a.png"), str(tmp_path / "sub" / "b.tif")]
    assert [(one.kind, one.count, one.warns) for one in located.notices] == [("other-ending-names", 2, True)]


@pytest.mark.parametrize(
    "name",
    [
        r"C:\data\images\a.jpg",
        "C:/data/images/a.jpg",
        r"\\server\share\images\a.jpg",
        "/home/someone/images/a.jpg",
        "../input/images/a.jpg",
        "study/images/a.jpg",
        r"C:\data\a.jpg",
        "/somewhere/images/a",
    ],
)
def test_a_path_of_another_place_is_found_by_its_end_and_said(tmp_path: Path, name: str) -> None:
    located = locate(make(tmp_path, "images/a.jpg", "other/b.jpg"), name)
    assert located.paths == [str(tmp_path / "images" / "a.jpg")]
    assert [one.kind for one in located.notices] == ["shortened-names"]
    assert f"such as {name} → images/a.jpg" in located.notices[0].text


def test_a_file_gone_from_its_folder_is_no_other_file_of_its_name(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.jpg", "dog/1.jpg", "dog/2.jpg")
    assert find(tmp_path, "cat/2.jpg") == ""
    assert find(tmp_path, "/data/cat/2.jpg") == ""


@pytest.mark.parametrize(
    ("files", "name"),
    [
        (["train/a.jpg", "test/a.jpg"], "a"),
        (["a.jpg", "train/a.jpg"], "a"),
        (["a.jpg", "a.png"], "a"),
        (["a.png", "a.tif"], "a.jpg"),
        (["one/img/a.jpg", "two/img/a.jpg"], "img/a"),
    ],
)
def test_a_name_that_may_be_several_files_is_refused_with_all_of_them(
    tmp_path: Path, files: list[str], name: str
) -> None:
    with pytest.raises(DataError) as caught:
        locate(make(tmp_path, *files), name)
    for file in files:
        assert file in caught.value.message


def test_the_folder_to_name_is_said_where_several_have_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "images/a.jpg", "masks/a.png")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as caught:
        locate(tmp_path, "a")
    assert "--images images" in caught.value.hint
    assert find(tmp_path, "a", images=tmp_path / "images") == "images/a.jpg"


def test_of_several_files_that_in_the_folder_which_the_row_names_is_meant(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.jpg", "dog/1.jpg", "dog/2.jpg", "Test/3.jpg", "train/3.jpg")
    rows = [("1.jpg", "cat"), ("1", " Dog "), ("2", "cat"), ("3.jpg", "test")]
    finder = ImageFinder(tmp_path, None, list_suffixes())
    located = locate_images([name for name, _ in rows], finder, tmp_path / "t.csv", lambda place: rows[place])
    found = [Path(path).relative_to(tmp_path).as_posix() for path in located.paths]
    assert found == ["cat/1.jpg", "dog/1.jpg", "dog/2.jpg", "Test/3.jpg"]
    assert [(one.kind, one.count) for one in located.notices] == [("completed-names", 1), ("placed-names", 3)]
    with pytest.raises(DataError, match="may be"):
        locate_images(["1.jpg"], finder, tmp_path / "t.csv", lambda place: ("1.jpg", "bird"))


def test_one_file_through_two_links_is_one_file(tmp_path: Path) -> None:
    make(tmp_path, "img/a.jpg")
    (tmp_path / "link").symlink_to("img", target_is_directory=True)
    assert find(tmp_path, "a") in {"img/a.jpg", "link/a.jpg"}


def test_paths_of_different_folders_are_not_read_as_one_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"left/1\.jpg and right/1\.jpg do not exist, and both would be 1\.jpg"):
        locate(make(tmp_path, "1.jpg"), "left/1.jpg", "right/1.jpg")


def test_names_are_looked_up_in_the_folder_given_before_the_tables_own(tmp_path: Path) -> None:
    make(tmp_path, "study/a.jpg", "study/b.jpg", "pool/a.jpg", "pool/deep/c.jpg")
    names = ("a.jpg", "a", "b", "c")
    located = locate(tmp_path / "study", *names, images=tmp_path / "pool")
    found = [Path(path).relative_to(tmp_path).as_posix() for path in located.paths]
    assert found == ["pool/a.jpg", "pool/a.jpg", "study/b.jpg", "pool/deep/c.jpg"]


def test_the_two_unicode_forms_of_a_name_are_one(tmp_path: Path) -> None:
    make(tmp_path, unicodedata.normalize("NFD", "é.jpg"))
    located = locate(tmp_path, unicodedata.normalize("NFC", "é.jpg"))
    assert located.missing == []
    assert Path(located.paths[0]).exists()


def test_what_is_missing_keeps_its_place_and_an_empty_name_has_none(tmp_path: Path) -> None:
    located = locate(make(tmp_path, "a.jpg"), "a.jpg", "gone.jpg", "", "\0")
    assert located.missing == [1, 3]
    assert located.paths == [str(tmp_path / "a.jpg"), str(tmp_path / "gone.jpg"), "", str(tmp_path / "\0")]


def test_a_file_further_down_is_not_used_but_its_folder_is_found(tmp_path: Path) -> None:
    make(tmp_path, "data/train/images/a.jpg")
    assert find(tmp_path, "a") == ""
    assert ImageFinder(tmp_path, None, list_suffixes()).find_elsewhere("a") == str(tmp_path / "data/train/images")
