"""Folders that SightX has made are known by the files in them; tests/api/test_own_folders.py asks it of real ones."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from pathlib import Path

import pytest
from PIL import Image

from sightx_cli.data.own_folders import SIGNATURES, is_own_folder, is_own_picture
from sightx_cli.data.sources import load_manifest


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda names: sorted(names)[0])
def test_pictures_in_a_folder_of_our_own_are_no_images(signature: AbstractSet[str], tmp_path: Path) -> None:
    for name in ("ants/1.png", "ants/2.png", "bees/1.png", "made/somewhere/picture.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    for name in signature:
        (tmp_path / "made" / "somewhere" / name).touch()
    manifest = load_manifest(tmp_path)
    assert (manifest.classes, len(manifest.frame)) == (("ants", "bees"), 3)
    (said,) = (notice for notice in manifest.notices if notice.kind == "own-folders")
    assert (said.count, "such as made/somewhere/" in said.text) == (1, True)


def test_a_part_of_a_signature_makes_no_folder_ours() -> None:
    assert not any(is_own_folder(signature - {name}) for signature in SIGNATURES for name in signature)
    assert all(is_own_folder(signature | {"1.png"}) for signature in SIGNATURES)


@pytest.mark.parametrize(
    ("folder", "name", "is_own"),
    [
        ("runs", "20260102-030405-probe.png", True),
        ("runs", "20260102-030405-lr-find-2.png", True),
        ("ants", "20260102-030405-probe.png", False),
        ("runs", "20260102-030405.png", False),
    ],
)
def test_a_picture_is_ours_by_its_name_in_the_folder_of_runs(folder: str, name: str, is_own: bool) -> None:
    assert is_own_picture(folder, name) is is_own
