"""`--recipe auto`: the number of images and the measured shift pick the recipe, and one paragraph says why."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sightx_cli.errors import RecipeError
from sightx_cli.progress import Recorder, Silent
from sightx_cli.quality.advice import choose_by_shift, describe_alternatives, describe_profile, guess_profile
from sightx_cli.quality.shift import Shift
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import Preparation, prepare

NEAR = Shift(0.168, "similar", 0.37, 128, None, False, "", 2.0)
FAR = Shift(0.56, "different", 0.37, 128, None, False, "", 2.0)


@pytest.fixture(scope="module")
def prepared(digits: Path) -> tuple[Preparation, Recorder]:
    heard = Recorder()
    return prepare(Options(str(digits)), heard), heard


def read_facts(preparation: Preparation, *keys: str) -> list[tuple[object, str]]:
    return [(preparation.plan.values[key].value, preparation.plan.values[key].origin) for key in keys]


# --- the paragraph ---


def test_the_reason_gives_the_number_the_score_the_recipe_and_what_would_change_it() -> None:
    choice = choose_by_shift(243, NEAR)
    assert choice.recipe == "natural-small"
    assert choice.reason == (
        "243 images (fewer than 1,000) like everyday photographs are too few to train the network itself without "
        "overfitting, and what it knows of photographs fits already. Measured on 128 of them, the shift is 0.17, well "
        "below the threshold of 0.37: they are like everyday photographs. Therefore natural-small: head only. With 757 "
        "more images it would be natural-medium; if they were scans or surfaces (--shift different), medical-small."
    )


def test_what_makes_the_score_less_sure_stands_in_the_reason() -> None:
    doubtful = replace(FAR, note="It lies close to the edge.")
    assert "not like everyday photographs. It lies close to the edge. Therefore medical-medium" in (
        choose_by_shift(5_000, doubtful).reason
    )


def test_a_shift_that_the_user_gave_is_said_to_be_theirs() -> None:
    assert "The shift was set with --shift different, not measured." in choose_by_shift(300, "different").reason


@pytest.mark.parametrize(
    ("images", "verdict", "said"),
    [
        (954, "similar", "With 46 more images it would be natural-medium; if they were scans or surfaces"),
        (999, "different", "With 1 more image it would be medical-medium; if they were everyday photographs"),
        (1_000, "similar", "With 49,000 more images it would be natural-large; with 1 fewer, natural-small; if they"),
        (1_100, "similar", "With 48,900 more images it would be natural-large; with 101 fewer, natural-small; if they"),
        (1_200, "similar", "With 48,800 more images it would be natural-large; if they were scans"),
        (600_000, "different", "If they were everyday photographs (--shift similar), it would be natural-huge."),
    ],
)
def test_the_way_to_another_recipe_is_counted_in_images(images: int, verdict: str, said: str) -> None:
    assert describe_alternatives(images, verdict).startswith(said)


# --- the profile ---


def test_grey_images_that_lie_far_are_augmented_as_scans_and_others_as_the_recipe_says() -> None:
    assert guess_profile(replace(FAR, grey=True)) == "medical"
    assert [guess_profile(shift) for shift in (FAR, NEAR, replace(NEAR, grey=True))] == [None, None, None]
    assert "--profile surface" in describe_profile(replace(FAR, grey=True), "medical")
    assert "--profile retina" in describe_profile(FAR, "medical")
    assert describe_profile(NEAR, "natural") == ""


# --- what a fit makes of it ---


def test_without_options_the_shift_is_measured_and_picks_the_recipe(prepared: tuple[Preparation, Recorder]) -> None:
    preparation, heard = prepared
    assert preparation.recipe.name == "medical-small"
    assert preparation.shift is not None
    assert preparation.shift.images == 72
    assert read_facts(preparation, "data.shift", "data.shift_score", "image.profile") == [
        ("different", "data"),
        (round(preparation.shift.score, 3), "data"),
        ("medical", "data"),
    ]
    assert preparation.plan.reason in preparation.plan.sentence
    assert any("augmented with the profile medical" in line for line in heard.notes)
    assert preparation.seconds.keys() == {"prepare", "shift", "import"}


@pytest.mark.parametrize(
    ("how", "recipe", "facts"),
    [
        ({"shift": "similar"}, "natural-small", [("similar", "option"), ("natural", "recipe")]),
        ({"shift": "different"}, "medical-small", [("different", "option"), ("medical", "recipe")]),
        ({"shift": "similar", "recipe": "medical-medium"}, "medical-medium", [("similar", "option")]),
        ({"recipe": "natural-medium"}, "natural-medium", []),
    ],
    ids=str,
)
def test_the_users_word_wins_and_nothing_is_measured(
    digits: Path, how: dict[str, str], recipe: str, facts: Sequence[tuple[str, str]]
) -> None:
    heard = Recorder()
    preparation = prepare(Options(str(digits), **how), heard)
    assert preparation.recipe.name == recipe
    assert "measuring the shift" not in heard.tasks
    assert read_facts(preparation, *("data.shift", "image.profile")[: len(facts)]) == list(facts)
    assert "data.shift_score" not in preparation.plan.values


def test_a_profile_that_the_user_named_is_not_guessed_over(digits: Path) -> None:
    heard = Recorder()
    preparation = prepare(Options(str(digits), profile="surface"), heard)
    assert read_facts(preparation, "image.profile", "data.shift") == [("surface", "option"), ("different", "data")]
    assert not any("augmented" in line for line in heard.notes)


@pytest.mark.parametrize("setting", ["image.sizepx=32", "stage.9.epochs=1"])
def test_a_mistyped_setting_is_refused_before_an_image_is_read(digits: Path, setting: str) -> None:
    heard = Recorder()
    with pytest.raises(RecipeError):
        prepare(Options(str(digits), settings=(setting,)), heard)
    assert heard.tasks == []


def test_a_setting_for_the_second_stage_passes_where_the_chosen_recipe_has_one(digits: Path) -> None:
    preparation = prepare(Options(str(digits), settings=("stage.1.epochs=1",)), Silent())
    assert preparation.recipe.stage[1].epochs == 1


def test_only_the_train_part_is_measured(digits: Path, tmp_path: Path) -> None:
    for image in digits.rglob("*.png"):
        part = "train" if int(image.stem) < 10 else "valid" if int(image.stem) < 18 else "test"
        copy = tmp_path / part / image.parent.name / image.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, copy)
    shift = prepare(Options(str(tmp_path)), Silent()).shift
    assert shift is not None
    assert shift.images == 30


def test_images_that_cannot_be_read_do_not_count_for_the_recipe(digits: Path, tmp_path: Path) -> None:
    first = (digits / "one" / "00.png").read_bytes()
    for place in range(1_000):
        image = tmp_path / "digits" / ("one", "two")[place % 2] / f"{place}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(first if place else b"no image")
    preparation = prepare(Options(str(tmp_path / "digits"), shift="similar"), Silent())
    assert preparation.recipe.name == "natural-small"
    assert preparation.plan.reason.startswith("999 images")
