"""Which images count and on which side: what is said before training, and what the plan keeps of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sightx_cli import fit
from sightx_cli.errors import UsageError
from sightx_cli.progress import Recorder
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import Preparation, prepare

HEAD = "image.size_px=32"


@pytest.fixture
def leaky(digits: Path, tmp_path: Path) -> Path:
    """Digits of patients of two images, in train/ and valid/ with four patients and one very file on both sides."""
    for place, image in enumerate(sorted(digits.rglob("*.png"))):
        number = place % 24
        part = "valid" if number in (0, 2, 4, 6, 20, 21) else "train"
        target = tmp_path / "leaky" / part / image.parent.name / f"person{place // 2}_{place}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, target)
    shutil.copy(tmp_path / "leaky" / "train" / "one" / "person12_25.png", tmp_path / "leaky/valid/one/person99_1.png")
    return tmp_path / "leaky"


def look(source: Path, **how: Any) -> tuple[Preparation, Recorder]:
    heard = Recorder()
    return prepare(Options(str(source), "natural-small", **how), heard), heard


def test_a_split_that_leaks_is_said_with_the_option_to_type(leaky: Path) -> None:
    preparation, heard = look(leaky)
    assert len(heard.warnings) == 1
    for words in (
        "12 of the 16 groups in valid",
        "1 identical file in train and valid",
        r"--resplit --group-by 'person\d+'",
    ):
        assert words in heard.warnings[0]
    assert (preparation.leaks.files, preparation.leaks.groups) == (1, 12)
    assert preparation.plan.values["data.leaks"].value == "; ".join(preparation.leaks.describe())
    assert (preparation.frame["group"] == "").all()  # a guess is never applied


def test_allowed_leaks_are_noted_and_kept_in_the_plan(leaky: Path) -> None:
    preparation, heard = look(leaky, allow_leaks=True)
    assert heard.warnings == []
    assert any(note.startswith("leaks allowed: 12 of the 16 groups") for note in heard.notes)
    allowed = preparation.plan.values["data.leaks_allowed"]
    assert (allowed.value, allowed.origin) == (True, "option")


def test_resplit_with_groups_has_nothing_on_both_sides(leaky: Path) -> None:
    preparation, heard = look(leaky, resplit=True, group_by=r"person\d+")
    assert heard.warnings == []
    assert not preparation.leaks
    sides = preparation.frame.groupby("group")["split"].nunique()
    assert (sides == 1).all()
    assert (preparation.frame.groupby("digest")["split"].nunique() == 1).all()
    assert preparation.plan.values["data.resplit"].value is True
    assert preparation.plan.values["data.group_by"].value == r"person\d+"
    assert preparation.folds == 5  # the valid part given is forgotten


def test_resplit_leaves_a_test_part_alone(leaky: Path) -> None:
    shutil.copytree(leaky / "valid", leaky / "test")
    before = set(load_parts(leaky)["test"])
    preparation, heard = look(leaky, resplit=True, group_by=r"person\d+")
    assert set(preparation.part("test")["image"]) == before
    assert "test part is never changed" in heard.warnings[0]
    assert len(preparation.part("valid"))


def load_parts(root: Path) -> dict[str, list[str]]:
    return {part.name: [str(p.relative_to(root)) for p in part.rglob("*.png")] for part in root.iterdir()}


def test_without_a_split_names_that_look_like_groups_are_spoken_of(leaky: Path) -> None:
    _, heard = look(leaky / "train")
    assert len(heard.warnings) == 1
    assert r"--group-by 'person\d+'" in heard.warnings[0]
    _, heard = look(leaky / "train", group_by=r"person\d+")
    assert heard.warnings == []


def test_what_an_expression_matches_is_said_before_anything_trains(leaky: Path) -> None:
    for image in sorted((leaky / "train" / "one").iterdir())[:3]:
        image.rename(image.with_name(f"IM-{image.stem.rpartition('_')[2]}.png"))
    _, heard = look(leaky / "train", group_by="person")
    images = len(list((leaky / "train").rglob("*.png")))
    assert f"--group-by person: {images - 3} of {images} file names match, in 1 group; 3 match" in heard.warnings[0]
    assert r"which count as one group; --group-by 'person\d+' makes " in heard.warnings[1]


def test_a_class_that_one_large_group_keeps_from_valid_asks_for_other_groups(digits: Path, tmp_path: Path) -> None:
    for place, image in enumerate(sorted(digits.rglob("*.png"))):
        name = f"person{place}.png" if image.parent.name != "two" or place % 3 else f"IM-{place}.png"
        target = tmp_path / "whole" / image.parent.name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, target)
    _, heard = look(tmp_path / "whole", group_by="person", folds=0)
    (said,) = (notice for notice in heard.notices if notice.kind == "missing-class")
    assert "one group, 'person', has 64 of 72 images: check --group-by" in said.text
    assert "--seed" not in said.text


def test_copies_stay_together_in_a_split_made_here(digits: Path, tmp_path: Path) -> None:
    root = tmp_path / "copies"
    shutil.copytree(digits, root)
    for number in range(8):
        shutil.copy(root / "one" / f"{number:02}.png", root / "one" / f"copy {number}.png")
        shutil.copy(root / "two" / f"{number:02}.png", root / "nought" / f"wrong {number}.png")
    preparation, _ = look(root)
    frame = preparation.frame
    assert (frame.groupby("digest")["split"].nunique() == 1).all()
    assert (frame.groupby("digest")["fold"].nunique() == 1).all()
    assert set(frame["fold"]) == set("12345")


def test_excluded_images_are_gone_and_counted(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("image,action\none/00.png,leave out\ntwo/00.png,keep\nten/00.png,leave out\n")
    preparation, heard = look(digits, exclude=tmp_path / "out.csv")
    assert "one/00.png" not in set(preparation.frame["image"])
    assert len(preparation.frame) == 71
    excluded = preparation.plan.values["data.excluded"]
    assert (excluded.value, excluded.origin) == (1, "option")
    assert preparation.fingerprint.notes == ("left out 1 image listed in out.csv",)
    assert any("1 of its names match no image (the first: ten/00.png)" in line for line in heard.warnings)


@pytest.mark.parametrize("folds", [1, -2, 25])
def test_folds_that_cannot_be_are_refused(digits: Path, folds: int) -> None:
    with pytest.raises(UsageError, match=f"--folds {folds}"):
        look(digits, folds=folds)


def test_a_fit_keeps_its_folds_and_out_of_fold_predictions(
    digits: Path, random_weights: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    how: dict[str, Any] = {"recipe": "natural-small", "backbone": "test_resnet", "engine": "torch"}
    how |= {"weights": random_weights("test_resnet"), "settings": (HEAD, "stage.0.epochs=1")}
    result = fit(digits, folds=3, **how)
    cross = result.to_json()["cross_validation"]
    assert (cross["folds"], cross["model"]) == (3, "linear head on frozen features")
    assert set(cross["metrics"]) == set(cross["intervals"]) == set(result.metrics)
    table, split = pd.read_csv(result.run / "out_of_fold.csv"), pd.read_csv(result.run / "split.csv")
    assert table.columns.tolist() == ["image", "label", "prediction", "confidence", "p_nought", "p_one", "p_two"]
    assert set(table["image"]) == set(split["image"])
    assert set(split["fold"]) == {1, 2, 3}
    merged = table.merge(split[["image", "fold"]], on="image")
    means = (merged["label"] == merged["prediction"]).groupby(merged["fold"]).mean()
    assert cross["metrics"]["accuracy"] == pytest.approx(means.mean())
    assert json.loads((result.run / "metrics.json").read_text())["cross_validation"] == json.loads(json.dumps(cross))
    assert "cross_validation" not in fit(digits, folds=0, **how).to_json()
