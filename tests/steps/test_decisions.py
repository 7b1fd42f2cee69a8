"""What a fit has decided comes back as it was, for the images that it was decided on and for no others."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sightx_cli.data.readers import Reading
from sightx_cli.errors import DataError
from sightx_cli.journal.journal import begin_journal
from sightx_cli.progress import Notice, Recorder, Relay, Silent
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.files import load_table
from sightx_cli.recipe.plan import list_rows, plan_to_json
from sightx_cli.recipe.recipe import parse_recipe
from sightx_cli.steps.decisions import recall_preparation, recall_split, write_decisions
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import Preparation, prepare

NOTICED = Notice("loose-images", "left out 2 images", 2)

IMAGES = {
    "image": ["a/1.png", "a/2.png", "b/1.png"],
    "label": ["a", "a", "b"],
    "digest": ["x", "y", "z"],
    "split": ["train", "valid", "train"],
    "group": ["g", "", "h"],
    "fold": ["0", "", "1"],
}


def make_frame(**columns: list[str]) -> pd.DataFrame:
    """The images as they are read when a run goes on."""
    found = {name: IMAGES[name] for name in ("image", "label", "digest")} | columns
    return pd.DataFrame(found | {"path": [f"/data/{name}" for name in found["image"]]})


def recall(preparation: Preparation, folder: Path, listener: Any) -> Preparation:
    journal = begin_journal(folder, {})
    before = Relay(Silent())
    before.warn("heard before")
    before.notice(NOTICED)
    write_decisions(preparation, journal, before)
    try:
        return recall_preparation(journal, preparation.options, listener)
    finally:
        journal.close()


def test_how_pixels_are_taken_is_not_measured_again(digits: Path, tmp_path: Path) -> None:
    preparation = prepare(Options(str(digits), shift="similar"), Silent())
    reading = Reading(ranges=(("whole numbers", 0.0, 4095.0),))
    recalled = recall(replace(preparation, reading=reading), tmp_path / "run", Relay(Silent()))
    assert recalled.reading == reading
    assert recalled.pixels is not None
    assert recalled.pixels.reading == reading


@pytest.mark.parametrize("how", [{}, {"shift": "different"}, {"recipe": "medical-small", "folds": 3}], ids=str)
def test_everything_decided_comes_back_as_it_was(digits: Path, tmp_path: Path, how: dict[str, Any]) -> None:
    preparation = prepare(Options(str(digits), **{"shift": "similar", **how}), Silent())
    heard = Relay(Recorder())
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing that other libraries say of it reaches the user
        again = recall(preparation, tmp_path / "run", heard)
    assert heard.warnings == ["heard before"]
    assert heard.notices == [NOTICED]
    own = dict.fromkeys(("frame", "manifest", "seconds", "store", "pixels", "plan"))
    assert replace(again, **own) == replace(preparation, **own)  # type: ignore[arg-type]
    assert json.loads(json.dumps(plan_to_json(again.plan))) == json.loads(json.dumps(plan_to_json(preparation.plan)))
    assert list_rows(again.plan) == list_rows(preparation.plan)
    columns = ["image", "path", "label", "digest", "split", "group"]
    pd.testing.assert_frame_equal(again.frame[columns], preparation.frame[columns], check_dtype=False)
    for part in ("train", "valid"):
        assert again.part(part)["image"].tolist() == preparation.part(part)["image"].tolist()


@pytest.mark.parametrize(
    "name", ["medical-huge", "medical-medium", "mobilenetv2-progressive", "natural-huge", "natural-small"]
)
def test_a_recipe_comes_back_with_all_its_values(digits: Path, tmp_path: Path, name: str) -> None:
    preparation = prepare(Options(str(digits), "natural-small"), Silent())
    recipe = parse_recipe(load_table(find_recipe(name)[1]), name)
    preparation = replace(preparation, recipe=recipe)
    assert recall(preparation, tmp_path / "run", Relay(Silent())).recipe == recipe


def test_images_in_another_order_get_the_parts_of_the_journal_in_its_order() -> None:
    frame = make_frame().iloc[::-1].reset_index(drop=True)
    found = recall_split(frame, IMAGES, "data")
    for name, values in IMAGES.items():
        assert found[name].tolist() == values
    assert found["path"].tolist() == ["/data/a/1.png", "/data/a/2.png", "/data/b/1.png"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"digest": ["x", "other", "z"]}, r"1 image is changed \(a/2.png\)"),
        ({"label": ["a", "b", "b"]}, r"1 image is changed \(a/2.png\)"),
        ({"digest": ["x", "other", "another"]}, r"2 images are changed \(a/2.png\)"),
        ({"image": ["a/1.png", "a/3.png", "b/1.png"]}, r"1 image is new \(a/3.png\); 1 image is gone \(a/2.png\)"),
    ],
    ids=str,
)
def test_images_that_differ_are_named(columns: dict[str, list[str]], words: str) -> None:
    with pytest.raises(DataError, match=words):
        recall_split(make_frame(**columns), IMAGES, "data")


def test_a_table_that_names_an_image_twice_must_be_in_the_same_order() -> None:
    twice = {name: [*values, values[0]] for name, values in IMAGES.items()}
    frame = make_frame(**{name: twice[name] for name in ("image", "label", "digest")})
    assert recall_split(frame, twice, "data")["split"].tolist() == twice["split"]
    with pytest.raises(DataError, match="other rows"):
        recall_split(frame.iloc[::-1].reset_index(drop=True), twice, "data")
    with pytest.raises(DataError, match="data is not what this run was begun with"):
        recall_split(frame.iloc[[0, 1, 2]].reset_index(drop=True), twice, "data")
