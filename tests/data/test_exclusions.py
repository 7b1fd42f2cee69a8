"""A list of images to leave out is obeyed by name or by path, and a name that matches nothing is reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sightx_cli.data.exclusions import exclude_images
from sightx_cli.data.sources import load_manifest
from sightx_cli.errors import DataError


def test_names_and_absolute_paths_are_left_out(photo_folder: Callable[..., Path], tmp_path: Path) -> None:
    root = photo_folder()
    table = tmp_path / "out.csv"
    table.write_text(f"image\ncat/0.jpg\n{root / 'dog' / '1.jpg'}\ncat/0.jpg\nbird/9.jpg\n")
    found = exclude_images(load_manifest(root), table)
    assert found.manifest.frame["image"].tolist() == ["cat/1.jpg", "cat/2.jpg", "dog/0.jpg", "dog/2.jpg"]
    assert (found.excluded, found.unmatched) == (2, ("bird/9.jpg",))
    assert found.manifest.notes == ("left out 2 images listed in out.csv",)


def test_of_a_list_with_actions_only_leave_out_counts(photo_folder: Callable[..., Path], tmp_path: Path) -> None:
    table = tmp_path / "out.csv"
    table.write_text("image,action,why\ncat/0.jpg,Leave out,copy\ncat/1.jpg,keep,original\ncat/2.jpg,,\n")
    found = exclude_images(load_manifest(photo_folder()), table)
    assert (found.excluded, len(found.manifest.frame)) == (1, 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "no such file"), ("file\ncat/0.jpg\n", "no column 'image'"), ("image\n" + "cat/{}.jpg\n" * 3, "all 3")],
    ids=["missing", "no column", "everything"],
)
def test_a_list_that_cannot_be_obeyed_is_refused(
    photo_folder: Callable[..., Path], tmp_path: Path, text: str | None, words: str
) -> None:
    table = tmp_path / "out.csv"
    if text is not None:
        table.write_text(text.format(0, 1, 2))
    with pytest.raises(DataError, match=words):
        exclude_images(load_manifest(photo_folder(["cat"])), table)
