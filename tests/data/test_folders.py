"""What lies among the images is told by its ending or its first bytes; what is passed over is counted and said."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sightx_cli.data import file_kinds
from sightx_cli.data.file_kinds import FileKinds, find_ending
from sightx_cli.data.folders import Folder, Listing, list_images
from sightx_cli.data.sources import load_manifest

Make = Callable[..., Path]


@pytest.fixture
def photo(write_photo: Make, tmp_path: Path) -> bytes:
    return write_photo(tmp_path / "one.jpg").read_bytes()


def say(root: Path) -> dict[str, str]:
    """The notices of a folder of classes, by kind."""
    return {notice.kind: notice.text for notice in load_manifest(root).notices}


def test_images_without_or_with_an_unknown_ending_are_used_and_said(photo_folder: Make, photo: bytes) -> None:
    root = photo_folder(images=1)
    for name in ("IMG_0001", "scan.img", "a.jpg_large", "1.2.840.113619", "photo.jpg?width=300", "x.jfif"):
        (root / "cat" / name).write_bytes(photo)
    names = load_manifest(root).frame["image"].tolist()
    assert len(names) == 8
    assert "cat/IMG_0001" in names
    assert say(root)["told-by-content"] == (
        "used 5 files without a known ending that are images by the first bytes: 3 without ending (1.2.840.113619), "
        "1 .jpg_large (a.jpg_large), 1 .img (scan.img)"
    )


def test_a_class_of_images_without_endings_is_a_class(photo_folder: Make, photo: bytes) -> None:
    root = photo_folder(images=1)
    (root / "eel").mkdir()
    (root / "eel" / "IMG_0001").write_bytes(photo)
    assert load_manifest(root).classes == ("cat", "dog", "eel")


def test_files_that_are_no_images_are_counted_by_ending_in_one_line(photo_folder: Make) -> None:
    root = photo_folder(images=1)
    for name in ("cat/notes.txt", "dog/notes.txt", "labels.csv", "LICENSE", "dog/deep/er/list.xml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("BM is how a bitmap begins, and this text, too\n")
    notices = load_manifest(root).notices
    assert [(one.kind, one.count, one.warns) for one in notices] == [("no-images", 5, False)]
    assert notices[0].text == ("passed over 5 files that are no images: 2 .txt, 1 .xml, 1 .csv, 1 without ending")


def test_what_may_be_an_image_and_cannot_be_read_is_a_warning_with_an_example(photo_folder: Make) -> None:
    root = photo_folder(images=1)
    (root / "cat" / "volume.nii").write_bytes(b"\0" * 400)
    (root / "cat" / "scan").write_bytes(bytes(range(256)))
    notices = load_manifest(root).notices
    assert [(one.kind, one.count, one.warns) for one in notices] == [("other-files", 2, True)]
    assert "1 .nii (volume.nii)" in notices[0].text
    assert "1 without ending (scan)" in notices[0].text


def test_hidden_images_links_to_nothing_and_links_to_what_is_read_are_counted(
    photo_folder: Make, photo: bytes, tmp_path: Path
) -> None:
    root = photo_folder(images=1)
    (root / "cat" / ".hidden.jpg").write_bytes(photo)
    (root / ".old").mkdir()
    (root / "eel").symlink_to(tmp_path / "nowhere")
    (root / "dog" / "cats").symlink_to(root / "cat", target_is_directory=True)
    (root / "dog" / "all").symlink_to(root, target_is_directory=True)
    said = say(root)
    assert said["hidden"].startswith("passed over 2 hidden files or folders, such as ")
    assert said["broken-links"] == "left out 1 link that leads nowhere, such as photos/eel"
    assert said["links"].startswith("passed over 2 links to folders that are read already, such as ")


def test_what_systems_leave_behind_is_not_worth_a_word(photo_folder: Make, photo: bytes) -> None:
    root = photo_folder(images=1)
    for name in (".DS_Store", "cat/Thumbs.db", "cat/._0.jpg", "__MACOSX/cat/0.jpg", "dog/@eaDir/0.jpg", "desktop.ini"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(photo)
    manifest = load_manifest(root)
    assert (len(manifest.frame), manifest.notices) == (2, ())


def test_images_keep_their_natural_order_whatever_their_endings(tmp_path: Path, photo: bytes) -> None:
    for name in ("10", "9.jpg", "11.dat", "2"):
        (tmp_path / "cat" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "cat" / name).write_bytes(photo)
    found = list_images(Folder(tmp_path / "cat", FileKinds()), Listing())
    assert [path.name for path in found] == ["2", "9.jpg", "10", "11.dat"]


@pytest.mark.skipif(os.name != "posix", reason="named pipes")
def test_a_pipe_without_an_ending_is_never_opened(photo_folder: Make) -> None:
    root = photo_folder(images=1)
    os.mkfifo(root / "cat" / "pipe")
    assert len(load_manifest(root).frame) == 2


def test_of_very_many_alike_the_first_are_opened_and_the_others_said(
    tmp_path: Path, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_kinds, "OPENED_AT_MOST", 200)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(1_200):
        (folder / f"{number:04}").write_bytes(photo if number < 600 else b"")
    listing = Listing()
    assert len(list(list_images(Folder(folder, listing.kinds), listing))) == 1_200
    said = {notice.kind: notice.count for notice in listing.list_notices()}
    assert said == {"told-by-content": 1_200, "unopened": 688}


def test_where_files_of_one_ending_differ_each_is_opened(
    tmp_path: Path, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_kinds, "OPENED_AT_MOST", 200)
    for number in range(1_200):
        (tmp_path / f"{number:04}.dat").write_bytes(photo if number % 2 else b"\1\2\3")
    told = FileKinds().tell(tmp_path, [f"{number:04}.dat" for number in range(1_200)])
    assert told == ["unknown", "image"] * 600


def test_an_ending_has_letters_and_few() -> None:
    endings = {"a.JPG": ".jpg", "a.b.tif": ".tif", "1.2.840": "", "a": "", "a.jpg?x=1": "", "a.verylongending": ""}
    assert {name: find_ending(name) for name in endings} == endings
