"""What commands write among the images of the user's is never taken for images."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from sightx_cli import evaluate, explain, inspect
from sightx_cli.data.queries import build_query
from sightx_cli.data.sources import load_manifest
from sightx_cli.results.fit import FitResult


@pytest.fixture(scope="module")
def lived_in(digits: Path, digits_run: FitResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders, beside which each command has left what it makes."""
    home = tmp_path_factory.mktemp("lived in") / "digits"
    shutil.copytree(digits, home)
    shutil.copytree(digits_run.run, home / "runs" / "20260102-030405-natural-small")
    inspect(home, out=home / "inspections" / "one")
    evaluate(digits, model=digits_run.run, out=home / "evaluations" / "one")
    explain(digits / "two" / "01.png", model=digits_run.run, out=home / "heatmaps" / "one")
    for folder in ("inspections/one", "evaluations/one"):  # whatever pictures another set of images would give
        Image.new("RGB", (8, 8)).save(home / folder / "doubts.jpg")
    Image.new("RGB", (8, 8)).save(home / "runs" / "20260102-030405-probe.png")
    return home


@pytest.mark.slow
def test_a_fit_in_the_same_folder_has_the_same_classes_and_images(digits: Path, lived_in: Path) -> None:
    manifest = load_manifest(lived_in)
    assert sorted(manifest.frame["image"]) == sorted(load_manifest(digits).frame["image"])
    said = {notice.kind: notice for notice in manifest.notices}
    assert (said["own-folders"].count, "empty-folders" in said) == (5, False)
    assert "SightX has made, such as evaluations/one/" in said["own-folders"].text


@pytest.mark.slow
def test_a_prediction_of_the_folder_leaves_them_out_and_of_one_of_them_takes_its_pictures(
    digits: Path, lived_in: Path
) -> None:
    assert len(build_query([lived_in]).rows) == len(build_query([digits]).rows)
    assert [Path(row.path).name for row in build_query([lived_in / "heatmaps" / "one"]).rows] == ["1-01.png"]


def test_pictures_of_the_users_are_taken_whatever_their_folder_is_called(tmp_path: Path) -> None:
    for name in ("runs/a.png", "inspections/b.png", "evaluations/c.png"):
        (tmp_path / name).parent.mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert sorted(load_manifest(tmp_path).frame["label"]) == ["evaluations", "inspections", "runs"]
