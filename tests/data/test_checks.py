from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
import pytest

from sightx_cli.data.checks import check_classes, check_files
from sightx_cli.data.sources import load_manifest
from sightx_cli.errors import DataError
from sightx_cli.progress import Silent

Make = Callable[..., Path]


class Counting(Silent):
    """A listener that counts, as a progress bar does."""

    def __init__(self) -> None:
        self.total, self.done, self.finished = 0, 0, False

    def start(self, task: str, total: int | None, unit: str) -> None:
        self.total = total or 0

    def advance(self, task: str, units: int = 1, figures: Mapping[str, float] | None = None) -> None:
        self.done += units

    def finish(self, task: str) -> None:
        self.finished = True


def label_frame(*labels: str, split: str = "") -> pd.DataFrame:
    return pd.DataFrame({"label": labels, "split": split}, dtype=str)


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_bad_files_are_listed_by_name_and_the_rest_goes_on(photo_folder: Make, threads: int) -> None:
    root = photo_folder(images=40)
    (root / "cat" / "3.jpg").write_bytes(b"")
    (root / "cat" / "17.jpg").write_bytes(b"this is text")
    (root / "dog" / "9.jpg").write_bytes((root / "dog" / "8.jpg").read_bytes()[:-60])
    (root / "dog" / "39.jpg").unlink()
    (root / "dog" / "39.jpg").symlink_to(root / "nowhere.jpg")
    listener = Counting()
    checked = check_files(load_manifest(root).frame, listener, threads)
    good, unreadable = checked.frame, checked.unreadable
    assert [bad.image for bad in unreadable] == ["cat/3.jpg", "cat/17.jpg", "dog/9.jpg", "dog/39.jpg"]
    words = ["is empty", "is not a readable image", "truncated", "No such file"]
    assert all(word in bad.error for word, bad in zip(words, unreadable, strict=True))
    assert len(good) == 76
    assert list(good.index) == list(range(76))
    assert (listener.total, listener.done, listener.finished) == (80, 80, True)


def test_an_image_that_is_a_link_to_nothing_is_called_that(photo_folder: Make) -> None:
    root = photo_folder(images=2)
    (root / "cat" / "gone.jpg").symlink_to("nowhere.jpg")
    (root / "dog" / "self.jpg").symlink_to("self.jpg")
    unreadable = check_files(load_manifest(root).frame, Silent()).unreadable
    assert [bad.image for bad in unreadable] == ["cat/gone.jpg", "dog/self.jpg"]
    assert all(bad.error.startswith("is a link that leads nowhere: ") for bad in unreadable)
    assert {bad.hint for bad in unreadable} == {"put there what it should point to, or remove the link"}


def test_no_readable_file_at_all_is_an_error(photo_folder: Make) -> None:
    root = photo_folder(images=1)
    for path in root.rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(
        DataError, match=r"none of the 2 images can be read: cat/0\.jpg is empty \(0 bytes\) \(and 1 more"
    ):
        check_files(load_manifest(root).frame, Silent(), 2)


def test_two_images_of_each_class_are_enough() -> None:
    check_classes(label_frame("a", "a", "b", "b"))


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (label_frame(), "no image to train on"),
        (label_frame("a", "a", "a"), "all 3 training images are of one class, 'a'"),
        (label_frame("a", "a", "b"), "too few training images in 1 class: 'b' (it has one)"),
        (label_frame("a", "b", "c", "c"), "in 2 classes: 'a', 'b'"),
    ],
)
def test_classes_that_cannot_be_learned_are_named(frame: pd.DataFrame, words: str) -> None:
    with pytest.raises(DataError) as caught:
        check_classes(frame)
    assert words in caught.value.message
    assert caught.value.hint


def test_images_to_check_on_do_not_count_as_images_to_train_on() -> None:
    train, valid = label_frame("a", "a", "b", split="train"), label_frame("b", "b", split="valid")
    with pytest.raises(DataError, match="'b'"):
        check_classes(pd.concat([train, valid]))


def test_a_class_that_only_the_valid_part_has_is_refused() -> None:
    train, valid = label_frame("a", "a", "b", "b", split="train"), label_frame("a", "c", split="valid")
    with pytest.raises(DataError, match="images of 'c'"):
        check_classes(pd.concat([train, valid]))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (("a;b", "a", "", "b"), ""),
        (("a;b", "a", "a", ""), "too few training images in 1 class: 'b' (it has one)"),
        (("a", "a", ""), "the only label is 'a' among the 3 training images"),
        (("", ""), "no image has a label among the 2 training images"),
        ((), "no image to train on"),
    ],
)
def test_of_several_labels_each_needs_images_and_there_must_be_two(labels: Sequence[str], words: str) -> None:
    frame = label_frame(*labels)
    if not words:
        check_classes(frame, ";")
        return
    with pytest.raises(DataError) as caught:
        check_classes(frame, ";")
    assert words in caught.value.message
    assert caught.value.hint


def test_a_label_that_only_the_valid_part_has_is_refused() -> None:
    train, valid = label_frame("a;b", "a;b", split="train"), label_frame("a;c", "", split="valid")
    with pytest.raises(DataError, match="images of 'c'"):
        check_classes(pd.concat([train, valid]), ";")
