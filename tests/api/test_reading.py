"""How pixels are taken from files: the same in training, prediction and inspection, and said in the same words."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli import fit, predict
from sightx_cli.api.inspect import inspect
from sightx_cli.errors import DataError, UsageError
from sightx_cli.progress import Recorder

QUICK: dict[str, Any] = {"recipe": "natural-small", "settings": ("image.size_px=64", "stage.0.epochs=1")}


def draw(seed: int, peak: float) -> np.ndarray:
    """A few soft spots on a dark ground, (48, 48) uint16: one picture at any brightness."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :48]
    spots = sum(np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * 3.0**2)) for cx, cy in generator.uniform(8, 40, (4, 2)))
    return (spots * peak + peak * 0.1 + generator.normal(0, 0.02, (48, 48)) * peak).clip(0, 65_535).astype(np.uint16)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells without and with a marker, which makes them eight times as bright and changes nothing else."""
    root = tmp_path_factory.mktemp("cells")
    for name, peak in (("negative", 2500.0), ("positive", 20_000.0)):
        (root / name).mkdir()
        for number in range(14):
            Image.fromarray(draw(number, peak)).save(root / name / f"{number:02}.png")
    return root


def read_predictions(file: Path) -> list[str]:
    with file.open(encoding="utf-8", newline="") as table:
        return [row["prediction"] for row in csv.DictReader(table)]


def test_where_brightness_is_the_sign_it_is_learned_and_predicted(cells: Path, tmp_path: Path) -> None:
    heard = Recorder()
    run = fit(cells, **QUICK, out=tmp_path / "run", listener=heard).run
    assert json.loads((run / "metrics.json").read_text())["valid"]["metrics"]["accuracy"] == 1
    (notice,) = (one for one in heard.notices if one.kind == "range")
    assert "one range for all images, measured on the training images" in notice.text
    assert notice.text in [one["text"] for one in json.loads((run / "plan.json").read_text())["notices"]]
    ((kind, low, high),) = json.loads((run / "bundle" / "bundle.json").read_text())["reading"]["ranges"]
    assert (kind, low < 500, high > 20_000) == ("whole numbers", True, True)
    new = tmp_path / "new"
    new.mkdir()
    for name, peak in (("a", 2500.0), ("b", 20_000.0)):  # alone, each would be stretched to the same picture
        Image.fromarray(draw(99, peak)).save(new / f"{name}.png")
    predict(new, model=run, output=tmp_path / "new.csv")
    assert read_predictions(tmp_path / "new.csv") == ["negative", "positive"]


@pytest.mark.slow
def test_an_inspection_says_what_a_fit_says(cells: Path, tmp_path: Path) -> None:
    heard = Recorder()
    inspect(cells, only="shift", listener=heard)
    found = inspect(cells, out=tmp_path / "look")
    assert [one.kind for one in found.notices if one.kind == "range"] == ["range"]


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stacks of three planes, of which the first is dark."""
    root = tmp_path_factory.mktemp("stacks")
    for label, peak in (("dim", 90.0), ("bright", 250.0)):
        (root / label).mkdir()
        for number in range(8):
            plane = Image.fromarray(draw(number, peak).clip(0, 255).astype(np.uint8))
            dark = Image.new("L", plane.size, 8)
            dark.save(root / label / f"{number}.tif", save_all=True, append_images=[dark, plane])
    return root


def test_stacks_whose_first_plane_is_dark_are_warned_of_and_another_can_be_read(stacks: Path, tmp_path: Path) -> None:
    found = inspect(stacks, out=tmp_path / "first")
    said = {one.kind: one for one in found.notices}
    assert (said["pages"].count, said["pages"].warns) == (16, True)
    assert (said["blank"].count, said["blank"].warns) == (16, True)
    assert found.duplicates == ()  # blank images are no copies of one photograph
    third = inspect(stacks, settings=["image.page=3"], out=tmp_path / "third")
    assert not {"pages", "blank"} & {one.kind for one in third.notices}


def test_an_inspection_takes_no_other_settings(stacks: Path) -> None:
    with pytest.raises(UsageError, match=r"allowed: image\.page, image\.bands, image\.range"):
        inspect(stacks, settings=["image.size_px=64"])


@pytest.mark.parametrize("how", [{"shift": "similar"}, {"recipe": "natural-small"}, {}], ids=str)
def test_a_set_of_which_nothing_can_be_read_is_refused_with_the_reason(tmp_path: Path, how: dict[str, str]) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(3):
            (tmp_path / label / f"{number}.jpg").write_bytes(b"%PDF-1.7 " + bytes([number]))
    for look in (lambda: fit(tmp_path, **how), lambda: inspect(tmp_path, out=tmp_path / "look")):
        with pytest.raises(DataError) as caught:
            look()
        assert "none of the 6 images can be read: a/" in caught.value.message
        assert "is a PDF document named .jpg (and 5 more like it)" in caught.value.message
        assert caught.value.hint == "save its pages as PNG, and try again"


def test_what_a_prediction_meets_that_training_did_not_is_said(cells: Path, digits_run: Any, tmp_path: Path) -> None:
    result = predict(cells / "negative", model=digits_run.run, output=tmp_path / "p.csv")
    (notice,) = (one for one in result.notices if one.kind == "range-of-its-own")
    assert (notice.count, notice.warns) == (14, True)
    assert "what the model says of it may be wrong" in notice.text
