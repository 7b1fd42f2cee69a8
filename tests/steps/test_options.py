"""An option is written once: what is made from it has its name, its meaning and its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightx_cli.errors import UsageError
from sightx_cli.progress import Notice, Recorder, Silent
from sightx_cli.steps.option import OptionField, find_option, list_options
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import prepare

FIELDS = [pytest.param(one, id=one.name) for one in list_options(Options)]
OTHER: dict[str, Any] = {
    "source": "scans",
    "recipe": "medical-medium",
    "shift": "similar",
    "profile": "retina",
    "engine": "torch",
    "rate": 1e-3,
    "settings": ("image.size_px=384",),
    "budget": 30.0,
    "seed": 3,
    "folds": 2,
    "track": "tensorboard",
    "launch": "torchrun",
    "features_on": "ray",
    "processes": 2,
    "nodes": 2,
    "rendezvous": "node1:29500",
    "weights_mean": (0.5, 0.4, 0.3),
    "weights_std": (0.00048828125,),
}
"""A value that is not the default, where any text, path or the other of two is none."""


def choose_other(one: OptionField) -> Any:
    """A value of an option that is allowed and not its default."""
    if one.name in OTHER:
        return OTHER[one.name]
    kind = one.kinds[0]
    return not one.default if kind is bool else kind("it's")


# --- values ---


@pytest.mark.parametrize("one", FIELDS)
def test_every_option_has_a_meaning_and_stands_under_a_title(one: OptionField) -> None:
    assert one.about.help
    assert one.about.panel or one.is_argument
    assert set(one.about.commands) <= {"fit", "lr-find", "probe"}


@pytest.mark.parametrize("one", FIELDS)
def test_what_departs_from_the_default_is_given(one: OptionField) -> None:
    assert Options(**{"source": "x", one.name: choose_other(one)}).given()[one.name] == choose_other(one)
    assert Options("x").given() == {"source": "x"}


@pytest.mark.parametrize("one", FIELDS)
def test_a_value_of_another_kind_is_refused_with_the_option_and_the_value(one: OptionField) -> None:
    with pytest.raises(UsageError, match=rf"{one.flag} (is '?)?\{{'a'\}}'?: allowed"):
        Options(**{"source": "x", one.name: {"a"}})


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("shift", "likely", "similar, different"),
        ("profile", "retna", 'natural, medical, retina, skin, surface, aerial, none; did you mean "retina"'),
        ("engine", "onnx", "auto, openvino, torch"),
        ("seed", -1, "whole numbers from 0 to 4294967295"),
        ("seed", 2**32, "whole numbers from 0 to 4294967295"),
        ("seed", 1.5, "whole numbers"),
        ("seed", True, "whole numbers"),
        ("folds", -1, "0 .none. and 2 or more"),
        ("folds", 1, "0 .none. and 2 or more"),
        ("budget", 0, "seconds above 0"),
        ("budget", float("nan"), "seconds above 0"),
        ("resplit", "yes", "True and False"),
        ("cache", None, "True and False"),
        ("out", 3, "a path"),
        ("settings", "image.size_px=384", "a list of texts"),
        ("settings", [3], "a list of texts"),
    ],
)
def test_a_value_beyond_what_is_allowed_is_refused(name: str, value: object, allowed: str) -> None:
    with pytest.raises(UsageError, match=f"{find_option(Options, name).flag}.*{value}.*{allowed}"):
        Options(**{"source": "x", name: value})


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("source", Path("scans"), "scans"),
        ("recipe", Path("mine.toml"), "mine.toml"),
        ("out", "runs/a", Path("runs/a")),
        ("seed", 2**32 - 1, 2**32 - 1),
        ("seed", np.int64(3), 3),
        ("folds", 0, 0),
        ("folds", 2, 2),
        ("stage", 1, "1"),
        ("settings", ["a=1"], ("a=1",)),
    ],
)
def test_what_means_the_same_is_kept_in_one_form(name: str, value: object, kept: object) -> None:
    assert getattr(Options(**{"source": "x", name: value}), name) == kept


@pytest.mark.parametrize(("value", "rate"), [("auto", "auto"), ("1e-3", 0.001), ("2", 2.0), (0.1, 0.1), (None, None)])
def test_a_rate_is_auto_or_a_number(value: Any, rate: object) -> None:
    assert Options("x", rate=value).rate == rate


@pytest.mark.parametrize("value", ["0", "-1e-3", "fast", "nan", "inf", "", 0, -1.0, False])
def test_any_other_rate_is_refused_by_its_value(value: Any) -> None:
    with pytest.raises(UsageError, match=f"--rate is '{value}'"):
        Options("x", rate=value)


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ("0.5", (0.5,)),
        (0.5, (0.5,)),
        ("0.485,0.456, 0.406", (0.485, 0.456, 0.406)),
        (np.array([0.5, 0.25]), (0.5, 0.25)),
        (None, None),
    ],
)
def test_a_normalisation_is_one_number_or_several(value: Any, numbers: object) -> None:
    assert Options("x", weights_mean=value).weights_mean == numbers


@pytest.mark.parametrize("text", ["", "0.5;0.5;0.5", "0.5,", "grey"])
def test_any_other_normalisation_is_refused_by_its_value(text: str) -> None:
    with pytest.raises(UsageError, match=f"--weights-std is '{text}'"):
        Options("x", weights_std=text)


# --- the plan ---


@pytest.mark.parametrize("one", [one for one in FIELDS if one.values[0].about.plan_key])
def test_an_option_stands_in_the_plan_under_its_key(one: OptionField) -> None:
    value = choose_other(one)
    facts = Options(**{"source": "x", one.name: value}).facts()
    assert facts[one.about.plan_key] == (str(value) if isinstance(value, Path) else value, "option")
    assert facts.keys() <= {one.about.plan_key, "seed"}


def test_without_options_only_the_seed_stands_in_the_plan() -> None:
    assert Options("x").facts() == {"seed": (0, "default")}


def test_what_came_of_an_option_stands_in_the_plan_in_its_place() -> None:
    asked = Options("x", exclude=Path("out.csv"), resplit=True)
    assert asked.facts(exclude=0, resplit=None, folds=5) == {
        "seed": (0, "default"),
        "data.excluded": (0, "option"),
        "cross_validation.folds": (5, "default"),
    }


def test_options_that_stand_for_a_value_of_the_recipe_are_settings() -> None:
    asked = Options("x", profile="retina", backbone="resnet18", settings=("image.size_px=384",))
    assert asked.overrides() == ['image.profile="retina"', 'model.backbone="resnet18"', "image.size_px=384"]
    assert [Options("x", ordered=said).overrides() for said in (True, False)] == [["ordered=true"], ["ordered=false"]]


def test_an_option_and_a_setting_of_the_same_value_are_refused_as_they_were_typed() -> None:
    with pytest.raises(UsageError, match=r"^--no-ordered and --set ordered=true set the same value"):
        Options("x", ordered=False, settings=("ordered=true",)).overrides()
    with pytest.raises(UsageError, match=r"^--profile none and --set image.profile=skin set the same value"):
        Options("x", profile="none", settings=("image.profile=skin",)).overrides()


def test_a_preparation_has_every_option_in_its_plan_under_its_key(
    digits: Path, tmp_path: Path, random_weights: Callable[[str], Path]
) -> None:
    exclude = tmp_path / "out.csv"
    exclude.write_text("image\none/00.png\n")
    weights = random_weights("test_resnet")
    values = prepare(
        Options(
            digits, shift="similar", profile="retina", ordered=False, rate=1e-3, group_by=r"(\d)\.png",
            backbone="test_resnet", weights=weights, seed=3, exclude=exclude, resplit=True, allow_leaks=True, folds=3,
            full=True,
        ),
        Silent(),
    ).plan.values  # fmt: skip
    others = {"image_column", "label_column", "images", "label_by", "multi_label"}  # a folder of classes has none
    others |= {"from_run"}  # which no other recipe or weights go with
    listed = [one for one in list_options(Options) if one.name not in others]
    keys = {key for one in listed for key in (one.about.plan_key, one.about.recipe_key) if key}
    assert {key: values[key].value for key in keys - {"data.resplit"}} == {
        "data.shift": "similar",
        "image.profile": "retina",
        "ordered": False,
        "rate": 1e-3,
        "data.group_by": r"(\d)\.png",
        "model.backbone": "test_resnet",
        "weights.file": str(weights),
        "full": True,
        "seed": 3,
        "data.excluded": 1,
        "data.leaks_allowed": True,
        "cross_validation.folds": 3,
    }
    assert {values[key].origin for key in keys - {"data.resplit"}} == {"option"}
    assert "data.resplit" not in values  # no valid part was given: there was nothing to split again


def test_where_images_and_labels_stand_is_in_the_plan_and_assumptions_are_said(digits: Path, tmp_path: Path) -> None:
    names = [path for path in sorted(digits.rglob("*.png")) if path.parent.name != "two"]
    rows = "".join(f"{path.parent.name}/{path.stem};{path.parent.name};{path.stem}\n" for path in names)
    (tmp_path / "t.csv").write_text(f"scan;kind of digit;patient\n{rows}")
    asked = Options(
        tmp_path / "t.csv", shift="similar", image_column="scan", label_column="Kind Of Digit", images=digits
    )
    heard = Recorder()
    prepared = prepare(asked, heard)
    values = prepared.plan.values
    assert prepared.manifest.classes == ("nought", "one")
    assert {name: values[f"data.{name}"].value for name in ("image_column", "label_column", "images")} == {
        "image_column": "scan",
        "label_column": "Kind Of Digit",
        "images": str(digits),
    }
    assert {"completed-names", "possible-groups"} <= {one.kind for one in heard.notices}
    assert "possible-groups" not in {one.kind for one in prepare_notices(asked, group_by="patient")}
    command = asked.write_command()
    assert command.endswith(f"--image-column scan --label-column 'Kind Of Digit' --images {digits}")


def prepare_notices(asked: Options, **more: Any) -> list[Notice]:
    heard = Recorder()
    prepare(replace(asked, **more), heard)
    return heard.notices


# --- the command to type next ---


def test_the_next_command_repeats_what_is_trained_on_what_in_quotes() -> None:
    asked = Options(
        "my scans", "my recipe.toml", shift="similar", settings=("a=1", "b=[1, 2]"), exclude=Path("out.csv"),
        ordered=False, resplit=True, seed=3, out=Path("r"), device="cpu",
    )  # fmt: skip
    assert asked.write_command() == (
        "sightx fit 'my scans' --recipe 'my recipe.toml' --shift similar --no-ordered "
        "--exclude out.csv --resplit --set a=1 --set 'b=[1, 2]'"
    )


def test_the_next_command_repeats_how_to_read_the_weights() -> None:
    asked = Options("x", weights="xrv.pth", weights_mean="0.5", weights_std="0.00048828125", weights_prefix="teacher")
    assert asked.write_command().partition("x ")[2].partition("x ")[2] == (
        "--weights xrv.pth --weights-mean 0.5 --weights-std 0.00048828125 --weights-prefix teacher"
    )


def test_the_whole_command_repeats_every_option_but_resume() -> None:
    asked = Options("x", settings=("a=1",), seed=3, folds=0, rate="auto", probe=False, out="r", resume="runs/a")
    assert asked.write_command(whole=True) == (
        "sightx fit x --rate auto --no-probe --seed 3 --folds 0 --out r --set a=1"
    )
