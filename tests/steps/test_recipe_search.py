"""The probe tries networks, each alone and side by side, within its budget, and takes the one that is better."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightx_cli import fit
from sightx_cli.probe.trials import BUILD_SECONDS
from sightx_cli.progress import Silent
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.recipe import recipe_to_toml
from sightx_cli.recipe.settings import BACKBONE, SIZE, change_setting
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import prepare
from sightx_cli.steps.probe_images import open_probe
from sightx_cli.steps.recipe_search import Chooser, join_plain_features

FIRST, SECOND = "test_resnet", "test_efficientnet"
BOTH = f"{FIRST}+{SECOND}"
HEAD = 'stage=[{train="head",epochs=1,rate=1e-3}]'
"""Networks that read images in different normalisations, with five stages and six."""


@pytest.fixture(autouse=True)
def two_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the probe try two small networks."""
    monkeypatch.setattr("sightx_cli.steps.recipe_search.BACKBONES", (FIRST, SECOND))


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    """A recipe of the head alone, for images unlike photographs, that names the first of them."""
    table = change_setting(change_setting(find_recipe("natural-small")[0], BACKBONE, FIRST), SIZE, 32)
    table = change_setting(table, "when.shift", "different")
    (tmp_path / "mine.toml").write_text(recipe_to_toml(table), encoding="utf-8")
    return str(tmp_path / "mine.toml")


def open_chooser(digits: Path, recipe: str, budget_seconds: float = 60.0, **how: Any) -> Chooser:
    preparation = prepare(Options(str(digits), **{"recipe": recipe, "engine": "torch", **how}), Silent())
    found = open_probe(preparation, budget_seconds)
    assert found is not None
    return Chooser(found, preparation, Silent())


def list_tried(chooser: Chooser) -> dict[str, bool]:
    """The networks tried, and whether each was chosen."""
    return {trial.value: trial.chosen for trial in chooser.probe.trials if trial.setting == BACKBONE}


def test_each_network_is_tried_alone_and_both_side_by_side(
    digits: Path, recipe: str, networks_brought: Callable[..., Path]
) -> None:
    networks_brought(FIRST, SECOND)
    chooser = open_chooser(digits, recipe)
    chosen = chooser.run("accuracy").model.backbone
    tried = list_tried(chooser)
    assert list(tried) == [FIRST, SECOND, BOTH]
    assert [name for name, taken in tried.items() if taken] == [chosen]


def test_on_photographs_the_tables_network_stays(
    digits: Path, recipe: str, networks_brought: Callable[..., Path]
) -> None:
    networks_brought(FIRST, SECOND)
    Path(recipe).write_text(Path(recipe).read_text(encoding="utf-8").replace("different", "similar"), encoding="utf-8")
    chooser = open_chooser(digits, recipe)
    chooser.run("accuracy")
    assert list_tried(chooser) == {}


@pytest.mark.parametrize("fit_", ["crop", "pad"])
def test_what_is_measured_side_by_side_is_what_such_a_network_gives(
    digits: Path, recipe: str, networks_brought: Callable[..., Path], fit_: str
) -> None:
    networks_brought(FIRST, SECOND)
    chooser = open_chooser(digits, recipe, settings=(f"image.fit={fit_}",))
    parts = [chooser._extract(change_setting(chooser.recipe, BACKBONE, name)) for name in (FIRST, SECOND)]
    joined, whole = join_plain_features(parts), chooser._extract(change_setting(chooser.recipe, BACKBONE, BOTH))
    assert joined.widths == whole.widths
    np.testing.assert_allclose(joined.rows, whole.rows, rtol=1e-3, atol=1e-4)


def test_a_budget_that_is_spent_leaves_the_recipes_network_and_names_what_was_not_tried(
    digits: Path, recipe: str, networks_brought: Callable[..., Path]
) -> None:
    networks_brought(FIRST, SECOND)
    chooser = open_chooser(digits, recipe, budget_seconds=1e-6)
    assert chooser.run("accuracy").model.backbone == FIRST
    assert list_tried(chooser) == {}
    skipped = [line for line in chooser.probe.skipped if line.startswith("backbone ")]
    assert skipped[0].startswith(f"backbone {SECOND}: would take")
    assert "left (--budget)" in skipped[0]
    assert skipped[1:] == [f"backbone {BOTH}: not all of them were tried"]


def test_networks_tried_are_charged_to_the_budget(
    digits: Path, recipe: str, networks_brought: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    networks_brought(FIRST, SECOND)
    with_networks = open_chooser(digits, recipe)
    with_networks.run("accuracy")
    monkeypatch.setattr("sightx_cli.steps.recipe_search.BACKBONES", ())
    without = open_chooser(digits, recipe)
    without.run("accuracy")
    assert with_networks.probe.spent_seconds >= without.probe.spent_seconds + BUILD_SECONDS


@pytest.mark.parametrize("how", [{"backbone": FIRST}, {"settings": (f"model.backbone={FIRST}",)}], ids=str)
def test_a_network_that_the_user_named_is_kept(
    digits: Path, networks_brought: Callable[..., Path], recipe: str, how: dict[str, Any]
) -> None:
    networks_brought(FIRST, SECOND)
    chooser = open_chooser(digits, recipe, **how)
    assert chooser.run("accuracy").model.backbone == FIRST
    assert list_tried(chooser) == {}


def test_a_recipe_that_names_another_network_keeps_it(
    digits: Path, networks_brought: Callable[..., Path], recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks_brought(FIRST, SECOND)
    monkeypatch.setattr("sightx_cli.steps.recipe_search.BACKBONES", (SECOND, "mini_resnet"))
    chooser = open_chooser(digits, recipe)
    assert chooser.run("accuracy").model.backbone == FIRST
    assert list_tried(chooser) == {}


def test_a_better_network_takes_the_place_of_the_recipes_with_its_evidence(
    digits: Path, recipe: str, networks_brought: Callable[..., Path]
) -> None:
    networks_brought(FIRST, blind=True)
    networks_brought(SECOND)
    chooser = open_chooser(digits, recipe)
    chosen = chooser.run("accuracy").model.backbone
    assert chosen in (SECOND, BOTH)
    assert chooser.probe.chosen[BACKBONE] == chosen
    assert chooser.probe.evidence[BACKBONE].startswith(f"backbone {chosen}: log loss ")
    assert f"with {FIRST}" in chooser.probe.evidence[BACKBONE]


@pytest.mark.slow
def test_a_fit_goes_on_with_the_network_that_was_chosen_and_its_plan_says_why(
    digits: Path, networks_brought: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = find_recipe("medical-small")[0].model.backbone
    networks_brought(own, blind=True)
    networks_brought(FIRST)
    monkeypatch.setattr("sightx_cli.steps.recipe_search.BACKBONES", (own, FIRST))
    monkeypatch.chdir(tmp_path)
    done = fit(digits, shift="different", folds=0, engine="torch", budget=60.0, settings=("image.size_px=32", HEAD))
    value = json.loads((done.run / "plan.json").read_text())["values"][BACKBONE]
    assert (value["value"] in (FIRST, f"{own}+{FIRST}"), value["origin"]) == (True, "probe")
    assert value["evidence"].startswith(f"backbone {value['value']}: ")
    assert json.loads((done.run / "bundle" / "bundle.json").read_text())["backbone"] == value["value"]
    assert done.metrics["accuracy"] > 0.5  # the recipe's own network sees nothing


def test_networks_are_tried_side_by_side_only_where_the_head_alone_learns(
    digits: Path, recipe: str, networks_brought: Callable[..., Path]
) -> None:
    networks_brought(FIRST)
    networks_brought(SECOND)
    tuned = ('stage=[{train="last:1",epochs=1,rate=1e-4}]',)
    chooser = open_chooser(digits, recipe, settings=tuned)
    chooser.run("accuracy")
    assert set(list_tried(chooser)) == {FIRST, SECOND}


@pytest.fixture
def short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a first look be at as few images as there are here."""
    monkeypatch.setattr("sightx_cli.probe.first_look.FEWEST_FIRST", 12)


@pytest.mark.usefixtures("short_look")
def test_a_network_that_is_behind_on_some_images_is_measured_on_no_more(
    digits: Path, recipe: str, networks_brought: Callable[..., Path]
) -> None:
    networks_brought(FIRST)
    networks_brought(SECOND, blind=True)
    chooser = open_chooser(digits, recipe, settings=('stage=[{train="last:1",epochs=1,rate=1e-4}]',))
    first = chooser.probe.first
    assert first is not None
    assert 12 <= len(first) < len(chooser.probe.sample)
    assert chooser.run("accuracy").model.backbone == FIRST
    assert SECOND not in list_tried(chooser)
    (line,) = (line for line in chooser.probe.dropped if line.startswith("backbone "))
    assert line.startswith(f"backbone {SECOND}: log loss ")
    assert line.endswith(f" higher than with backbone {FIRST} on {len(first)} images, so measured on no more")
    assert chooser.probe.evidence[BACKBONE] == line
    assert chooser.store is not None
    seen = chooser._open(change_setting(chooser.recipe, BACKBONE, SECOND))
    assert seen._frozen is not None
    found = seen._frozen.find(chooser.probe.sample.paths, chooser.probe.sample.digests, seen._view)
    assert len(found.missing) == len(chooser.probe.sample) - len(first)


@pytest.mark.usefixtures("short_look")
def test_a_network_that_is_ahead_on_some_images_is_measured_on_all(
    digits: Path, recipe: str, networks_brought: Callable[..., Path]
) -> None:
    networks_brought(FIRST, blind=True)
    networks_brought(SECOND)
    chooser = open_chooser(digits, recipe, settings=('stage=[{train="last:1",epochs=1,rate=1e-4}]',))
    assert chooser.run("accuracy").model.backbone == SECOND
    assert list_tried(chooser) == {FIRST: False, SECOND: True}
    assert not any(line.startswith("backbone ") for line in chooser.probe.dropped)


@pytest.mark.usefixtures("short_look")
def test_networks_side_by_side_are_each_measured_on_all_images(
    digits: Path, recipe: str, networks_brought: Callable[..., Path]
) -> None:
    networks_brought(FIRST)
    networks_brought(SECOND, blind=True)
    chooser = open_chooser(digits, recipe)
    chooser.run("accuracy")
    assert list(list_tried(chooser)) == [FIRST, SECOND, BOTH]
