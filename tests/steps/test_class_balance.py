"""Very unequal classes, and parts that lack a class: what is decided there, and said before anything trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from sightx_cli.api.inspect import inspect
from sightx_cli.progress import Notice, Recorder
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import Preparation, prepare
from sightx_cli.steps.session import build_session


@pytest.fixture
def lay_out(tmp_path: Path, digits: Path) -> Callable[..., Path]:
    """Lays digits out in parts: `lay_out(train={"nought": 20, "one": 2}, valid={"one": 3})`."""

    def lay(**parts: dict[str, int]) -> Path:
        taken: dict[str, int] = {}
        for part, classes in parts.items():
            for name, count in classes.items():
                files = sorted((digits / name).iterdir())
                for number in range(count):
                    image = Image.open(files[(taken.get(name, 0)) % len(files)]).rotate(taken.get(name, 0) // 24)
                    taken[name] = taken.get(name, 0) + 1
                    target = tmp_path / "laid" / part / name / f"{number:03}.png"
                    target.parent.mkdir(parents=True, exist_ok=True)
                    image.save(target)
        return tmp_path / "laid"

    return lay


def look(source: Path, **how: Any) -> tuple[Preparation, list[Notice]]:
    heard = Recorder()
    asked = {"shift": "similar", "settings": ("image.size_px=32",), **how}
    return prepare(Options(str(source), **asked), heard), heard.notices


def find(notices: list[Notice], kind: str) -> list[Notice]:
    return [notice for notice in notices if notice.kind == kind]


UNEQUAL = {"train": {"nought": 40, "one": 4}, "test": {"nought": 4, "one": 4}}


def test_imbalance_is_that_of_the_images_to_train_on(lay_out: Callable[..., Path]) -> None:
    preparation, _ = look(lay_out(**UNEQUAL))
    trained = preparation.part("train")["label"].value_counts()
    assert preparation.plan.values["data.imbalance"].value == round(trained["nought"] / trained["one"], 3) > 10


def test_unequal_classes_change_the_metric_and_the_weights_and_that_is_said(lay_out: Callable[..., Path]) -> None:
    preparation, notices = look(lay_out(**UNEQUAL))
    assert preparation.metric == "balanced_accuracy"
    assert preparation.recipe.training.class_weights == "balanced"
    for key, value in (("training.metric", "balanced_accuracy"), ("training.class_weights", "balanced")):
        assert (preparation.plan.values[key].value, preparation.plan.values[key].origin) == (value, "data")
    (said,) = find(notices, "unequal-classes")
    assert "nought has 32 training images, one 3: 11 times as many" in said.text
    assert "balanced accuracy" in said.text
    assert "--set training.metric=accuracy --set training.class_weights=none" in said.text
    assert not said.warns


def test_what_the_user_set_stays_with_a_warning_what_may_come_of_it(lay_out: Callable[..., Path]) -> None:
    settings = ("image.size_px=32", "training.class_weights=none", "training.metric=accuracy")
    preparation, notices = look(lay_out(**UNEQUAL), settings=settings)
    assert preparation.metric == "accuracy"
    assert preparation.recipe.training.class_weights == "none"
    (said,) = find(notices, "unequal-classes")
    assert said.warns
    assert "--set training.class_weights=balanced" in said.text


def test_a_recipe_that_was_named_keeps_its_weights(lay_out: Callable[..., Path]) -> None:
    preparation, notices = look(lay_out(**UNEQUAL), recipe="natural-small", shift=None)
    assert preparation.recipe.training.class_weights == "none"
    assert preparation.metric == "balanced_accuracy"
    assert find(notices, "unequal-classes")[0].warns


def test_classes_that_are_nearly_alike_are_not_spoken_of(lay_out: Callable[..., Path]) -> None:
    preparation, notices = look(lay_out(train={"nought": 20, "one": 12}))
    assert preparation.metric == "accuracy"
    assert not find(notices, "unequal-classes")
    assert preparation.plan.values["training.class_weights"].origin == "recipe"


def test_a_valid_part_that_lacks_a_class_is_said_with_what_to_type(lay_out: Callable[..., Path]) -> None:
    source = lay_out(train={"nought": 8, "one": 8}, valid={"nought": 4})
    (said,) = find(look(source)[1], "missing-class")
    assert said.warns
    assert said.text == (
        "valid has no image of one, only of nought: its figures say nothing of it; "
        "--resplit splits train and valid again"
    )
    assert not find(look(source, resplit=True)[1], "missing-class")


def test_a_test_part_that_lacks_classes_is_never_split_again(lay_out: Callable[..., Path]) -> None:
    source = lay_out(train=dict.fromkeys(("nought", "one", "two"), 6), test={"two": 3})
    (said,) = find(look(source)[1], "missing-class")
    assert "test has no image of nought and one, only of two: its figures say nothing of them" in said.text
    assert "--resplit" not in said.text


def test_the_metric_that_needs_every_class_is_replaced_aloud(lay_out: Callable[..., Path]) -> None:
    source = lay_out(train={"nought": 8, "one": 8}, valid={"nought": 4})
    preparation, notices = look(source, recipe="medical-small", shift=None)
    assert preparation.metric == "loss"
    assert preparation.plan.values["training.metric"].origin == "data"
    (said,) = find(notices, "metric-replaced")
    assert "ROC AUC" in said.text
    assert "log loss chooses the best epoch" in said.text


@pytest.mark.slow
def test_an_inspection_says_what_a_fit_says(lay_out: Callable[..., Path], tmp_path: Path) -> None:
    source = lay_out(train={"nought": 44, "one": 4}, valid={"nought": 4})
    found = inspect(source, out=tmp_path / "looked").notices
    fitted = look(source, shift=None)[1]
    for kind in ("missing-class", "unequal-classes"):
        assert find(list(found), kind) == find(fitted, kind) != []


def test_a_head_of_unequal_classes_is_solved_with_offsets(
    lay_out: Callable[..., Path], random_weights: Callable[[str], Path]
) -> None:
    from sightx_cli.train.solved_head import solve_head

    weights = random_weights("test_resnet")
    how = {"backbone": "test_resnet", "weights": weights, "engine": "torch", "cache": False}
    preparation, _ = look(lay_out(**UNEQUAL), **how)
    session, _ = build_session(preparation, Recorder())
    solve_head(session)
    assert session.offsets is not None
    rare = session.task.number(["one"])[0]
    assert session.offsets[rare] == session.offsets.max() > 0


def test_a_run_of_unequal_classes_tells_its_offsets_and_predicts_with_them(
    lay_out: Callable[..., Path],
    random_weights: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sightx_cli import fit, predict

    monkeypatch.chdir(tmp_path)
    source = lay_out(train={"nought": 44, "one": 4}, test={"nought": 4, "one": 4})
    how = {"backbone": "test_resnet", "weights": random_weights("test_resnet"), "engine": "torch", "shift": "similar"}
    heard = Recorder()
    result = fit(source, settings=("image.size_px=32",), listener=heard, **how)
    compared = next(note for note in heard.notes if note.startswith("probe: nothing is compared, recipe unchanged"))
    assert "the smallest class has 3 images to train on, and 10 are needed to tell" in compared
    offsets = json.loads((result.run / "plan.json").read_text())["values"]["head.offsets"]
    assert offsets["origin"] == "data"
    assert offsets["value"]["one"] == -offsets["value"]["nought"] > 0
    assert result.test is not None
    predict(source / "test", model=result.run, output=tmp_path / "answers.csv")
    answers = pd.read_csv(tmp_path / "answers.csv")
    column = "prediction" if "prediction" in answers else "label"
    right = [Path(image).parent.name == said for image, said in zip(answers["image"], answers[column], strict=True)]
    assert sum(right) / len(right) == result.test.metrics["accuracy"]


GRADES = {"train": {"nought": 8, "one": 6, "two": 4}, "valid": {"nought": 3, "one": 3, "two": 3}}


def test_grades_that_kappa_judges_are_not_weighed_and_that_is_said(lay_out: Callable[..., Path]) -> None:
    preparation, notices = look(lay_out(**GRADES), shift="different", ordered=True)
    value = preparation.plan.values["training.class_weights"]
    assert preparation.metric == "quadratic_kappa"
    assert preparation.recipe.training.class_weights == value.value == "none"
    assert value.origin == "data"
    assert "kappa" in value.evidence
    (said,) = find(notices, "grades-unweighed")
    assert "--set training.class_weights=balanced" in said.text


@pytest.mark.parametrize(
    "how",
    [
        {"settings": ("image.size_px=32", "training.class_weights=balanced")},
        {"recipe": "medical-small", "shift": None},
        {"settings": ("image.size_px=32", "training.metric=balanced_accuracy")},
        {"ordered": False},
    ],
    ids=["set", "named", "another metric", "codes"],
)
def test_weights_of_grades_stay_where_the_user_says_so_or_kappa_does_not_judge(
    lay_out: Callable[..., Path], how: dict[str, Any]
) -> None:
    preparation, notices = look(lay_out(**GRADES), **{"shift": "different", "ordered": True, **how})
    assert preparation.recipe.training.class_weights == "balanced"
    assert not find(notices, "grades-unweighed")


def test_rare_grades_that_are_not_weighed_are_warned_of(lay_out: Callable[..., Path]) -> None:
    laid = lay_out(train={"nought": 44, "one": 20, "two": 4}, valid={"nought": 4, "one": 4, "two": 4})
    preparation, notices = look(laid, shift="different", ordered=True)
    assert preparation.recipe.training.class_weights == "none"
    (said,) = find(notices, "unequal-classes")
    assert said.warns
    assert "kappa" in said.text
    assert "may never be predicted" in said.text
    assert "--set training.class_weights=balanced" in said.text
