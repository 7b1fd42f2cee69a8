"""`probe --learning-curve` from end to end: what it writes and says, of every layout, and where it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from sightx_cli.api.probe import probe
from sightx_cli.app import app
from sightx_cli.console import show_probe
from sightx_cli.errors import UsageError
from sightx_cli.progress import Recorder
from sightx_cli.results.learning_curve import LearningCurve
from sightx_cli.steps import image_need

FIVE = [0.2, 0.4, 0.6, 0.8, 1.0]


@pytest.fixture(scope="module")
def many_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Handwritten digits 0, 1 and 2 at their own 8 × 8 pixels: 45 of each, in class folders."""
    import numpy as np
    from sklearn.datasets import load_digits

    root, known = tmp_path_factory.mktemp("data") / "many", load_digits()
    for number, name in enumerate(("nought", "one", "two")):
        (root / name).mkdir(parents=True)
        for place, pixels in enumerate(known.images[known.target == number][:45]):
            Image.fromarray((pixels * 15.9).astype(np.uint8)).save(root / name / f"{place:02}.png")
    return root


@pytest.fixture
def how(random_weights: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A recipe on a small network of random weights, in a folder of its own; only the recipe as it is."""
    monkeypatch.chdir(tmp_path)
    settings = ("image.size_px=32", "image.fit=squash", "model.head.taps=last")
    weights = random_weights("test_resnet")
    return {
        "recipe": "natural-small", "backbone": "test_resnet", "weights": weights, "engine": "torch",
        "settings": settings, "budget": 1, "learning_curve": True,
    }  # fmt: skip


def write_table(many_digits: Path, file: Path, header: str, write_row: Callable[[Path], str]) -> Path:
    images = sorted(many_digits.rglob("*.png"))
    file.write_text("\n".join([header, *(f"{image},{write_row(image)}" for image in images)]) + "\n")
    return file


def measure(source: Path, how: dict[str, Any], **more: Any) -> LearningCurve:
    found = probe(str(source), **(how | more)).learning_curve
    assert found is not None
    return found


def test_it_answers_in_json_with_a_picture_beside_the_probes_own(
    many_digits: Path, how: dict[str, Any], tmp_path: Path
) -> None:
    options = ["--recipe", "natural-small", "--backbone", "test_resnet", "--weights", str(how["weights"])]
    options += ["--engine", "torch", "--budget", "1", "--set", "image.size_px=32", "--out", "probe.png"]
    done = CliRunner().invoke(app, ["probe", str(many_digits), *options, "--learning-curve", "--json"])
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    curve = answer["learning_curve"]
    assert {"metric", "points", "gain_of_doubling", "sentence", "picture"} <= set(curve)
    assert [point["share"] for point in curve["points"]] == FIVE
    assert all(point["low"] <= point["mean"] <= point["high"] for point in curve["points"])
    assert (answer["picture"], curve["picture"]) == tuple(
        str(tmp_path / name) for name in ("probe.png", "probe-learning-curve.png")
    )
    with Image.open(curve["picture"]) as picture:
        assert min(picture.size) > 300
    assert {"choices", "depth", "chosen"} <= set(answer)


def test_it_is_shown_as_a_sentence_a_curve_and_a_table(
    many_digits: Path, how: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    result = probe(str(many_digits), **how)
    curve = result.learning_curve
    assert curve is not None
    show_probe(result)
    shown = capsys.readouterr().out
    for words in ("would more images help?", curve.sentence, str(curve.picture), "95 % band", "20%", "100%"):
        assert words in shown
    assert f"{curve.points[-1].images:,}" in shown


def test_without_being_asked_for_there_is_none(many_digits: Path, how: dict[str, Any]) -> None:
    result = probe(str(many_digits), **(how | {"learning_curve": False}))
    assert result.learning_curve is None
    assert "learning_curve" not in result.to_json()


def test_an_earlier_picture_of_a_curve_is_not_overwritten(
    many_digits: Path, how: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "p-learning-curve.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"p-learning-curve\.png: exists already"):
        measure(many_digits, how, out=tmp_path / "p.png")
    assert (tmp_path / "p-learning-curve.png").read_bytes() == b"mine"


def test_too_few_images_are_said_with_how_many_it_takes(digits: Path, how: dict[str, Any], tmp_path: Path) -> None:
    result = probe(str(digits), **how)
    curve = result.learning_curve
    assert curve is not None
    assert (curve.points, curve.picture, curve.gain_of_doubling, curve.verdict) == ((), None, None, "too-few")
    assert "too few for a learning curve: it takes 63" in curve.sentence
    assert result.picture.is_file()
    assert list(tmp_path.glob("runs/*learning-curve*")) == []
    show_probe(result)


def test_too_few_groups_are_said_with_how_many_it_takes(many_digits: Path, how: dict[str, Any], tmp_path: Path) -> None:
    table = write_table(
        many_digits, tmp_path / "t.csv", "image,label,batch", lambda file: f"{file.parent.name},b{int(file.stem) % 8}"
    )
    curve = measure(table, how, group_by="batch")
    assert curve.verdict == "too-few"
    assert "groups of images, too few for a learning curve: it takes 13" in curve.sentence


def test_groups_are_what_is_independent(many_digits: Path, how: dict[str, Any], tmp_path: Path) -> None:
    table = write_table(
        many_digits, tmp_path / "t.csv", "image,label,part", lambda file: f"{file.parent.name},p{int(file.stem) // 2}"
    )
    curve = measure(table, how, group_by="part")
    assert curve.intervals_by == "groups"
    assert len(curve.points) == len(FIVE)


@pytest.mark.slow
def test_several_labels_have_a_curve(many_digits: Path, how: dict[str, Any], tmp_path: Path) -> None:
    names = {"nought": "round", "one": "straight", "two": "round;straight"}
    table = write_table(many_digits, tmp_path / "t.csv", "image,label", lambda file: names[file.parent.name])
    curve = measure(table, how)
    assert curve.metric in ("mean_average_precision", "loss")
    assert len(curve.points) == len(FIVE)


@pytest.mark.slow
def test_grades_have_a_curve_of_what_judges_them(many_digits: Path, how: dict[str, Any], tmp_path: Path) -> None:
    grades = {"nought": "0_none", "one": "1_some", "two": "2_much"}
    table = write_table(many_digits, tmp_path / "t.csv", "image,label", lambda file: grades[file.parent.name])
    settings = (*how["settings"], "training.metric=quadratic_kappa")
    assert measure(table, how, ordered=True, settings=settings).metric in ("quadratic_kappa", "loss")


@pytest.mark.slow
def test_more_images_than_are_used_are_told(
    many_digits: Path, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_need, "CURVE_IMAGES", 90)
    listener = Recorder()
    result = probe(str(many_digits), listener=listener, **how)
    assert result.learning_curve is not None
    assert result.learning_curve.images == 90
    told = [notice for notice in result.notices if notice.kind == "learning-curve"]
    assert "measured on 90 of the 108 training images" in told[0].text
    assert told[0].count == 18
    assert "Twice the 90" not in result.learning_curve.sentence


def test_the_valid_and_test_parts_are_not_used(many_digits: Path, how: dict[str, Any], tmp_path: Path) -> None:
    parts = {0: "valid", 1: "test"}
    table = write_table(
        many_digits,
        tmp_path / "t.csv",
        "image,label,split",
        lambda file: f"{file.parent.name},{parts.get(int(file.stem) % 6, 'train')}",
    )
    first = measure(table, how)
    assert first.images == sum(int(file.stem) % 6 > 1 for file in many_digits.rglob("*.png"))
    changed = table.with_name("u.csv")  # the other parts' labels moved round by one
    turned = {"nought": "one", "one": "two", "two": "nought"}
    lines = table.read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    swapped = [",".join([row[0], row[1] if row[2] == "train" else turned[row[1]], row[2]]) for row in rows]
    changed.write_text("\n".join([lines[0], *swapped]) + "\n")
    assert measure(changed, how).points == first.points
