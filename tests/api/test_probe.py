"""The probe looks at the train part only, keeps to its budget, and what it chose is in the plan with evidence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sightx_cli import fit
from sightx_cli.api.probe import probe
from sightx_cli.errors import UsageError
from sightx_cli.probe.trials import BUDGET_SHARE, MIN_BUDGET_SECONDS
from sightx_cli.progress import Silent
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import Preparation, prepare
from sightx_cli.steps.probe_images import choose_budget, estimate_fit_seconds, open_probe
from sightx_cli.steps.recipe_search import Chooser, apply_probe

SMALL = ("image.size_px=32", "stage.0.epochs=1")


@pytest.fixture
def how(random_weights: Callable[[str], Path]) -> dict[str, Any]:
    """A recipe on a small network of random weights."""
    return {"backbone": "test_resnet", "weights": random_weights("test_resnet"), "engine": "torch", "settings": SMALL}


@pytest.fixture
def parted(digits: Path, tmp_path: Path) -> Path:
    """The digits in train/ and valid/, where the valid files can be lost."""
    for image in digits.rglob("*.png"):
        target = tmp_path / "parted" / ("valid" if int(image.stem) >= 18 else "train") / image.parent.name / image.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, target)
    return tmp_path / "parted"


def open_chooser(source: Path, how: dict[str, Any], **more: Any) -> tuple[Chooser, Preparation]:
    preparation = prepare(Options(str(source), **({"recipe": "natural-small"} | how | more)), Silent())
    found = open_probe(preparation, 60.0)
    assert found is not None
    return Chooser(found, preparation, Silent()), preparation


def test_the_valid_part_is_never_read(parted: Path, how: dict[str, Any]) -> None:
    preparation = prepare(Options(str(parted), "natural-small", **how), Silent())
    shutil.rmtree(parted / "valid")
    found = open_probe(preparation, 60.0)
    assert found is not None
    chooser = Chooser(found, preparation, Silent())
    chooser.run("accuracy")
    assert len(found.sample.paths) == 54
    assert not any("/valid/" in path for path in found.sample.paths)
    assert len(found.trials) >= 3


def test_what_the_user_set_is_not_tried(parted: Path, how: dict[str, Any]) -> None:
    chooser, _ = open_chooser(parted, {**how, "settings": (*SMALL, "model.head.taps=last", "image.fit=squash")})
    chooser.run("accuracy")
    assert {trial.setting for trial in chooser.probe.trials}.isdisjoint(
        {"model.head.taps", "image.fit", "image.size_px"}
    )


def test_a_budget_that_is_spent_ends_the_trials_and_says_which_were_left(digits: Path, how: dict[str, Any]) -> None:
    preparation = prepare(Options(str(digits), "natural-small", **how), Silent())
    found = open_probe(preparation, 1e-6)
    assert found is not None
    recipe = Chooser(found, preparation, Silent()).run("accuracy")
    assert found.trials == []
    assert recipe == preparation.recipe
    assert len(found.skipped) >= 2
    assert all("would take" in line for line in found.skipped)


def test_what_was_chosen_stands_in_the_plan_with_its_evidence(digits: Path, how: dict[str, Any]) -> None:
    chooser, preparation = open_chooser(digits, how)
    recipe = chooser.run("accuracy")
    found = chooser.probe
    found.chosen.setdefault("model.head.taps", "all")
    found.evidence["model.head.taps"] = "taps all: accuracy 0.90 ± 0.03 against 0.80 ± 0.03 with last"
    probed = apply_probe(preparation, found, recipe)
    value = probed.plan.values["model.head.taps"]
    assert (value.value, value.origin, value.evidence[:8]) == ("all", "probe", "taps all")
    assert probed.probed is not None
    assert {"choices", "chosen", "seconds", "metric", "images"} <= set(probed.probed.to_json())


def test_copies_and_groups_lie_in_one_fold(digits: Path, tmp_path: Path, how: dict[str, Any]) -> None:
    shutil.copytree(digits, tmp_path / "copies")
    for number in range(6):
        shutil.copy(digits / "one" / f"{number:02}.png", tmp_path / "copies" / "one" / f"copy {number}.png")
    preparation = prepare(Options(str(tmp_path / "copies"), "natural-small", **how), Silent())
    found = open_probe(preparation, 10.0)
    assert found is not None
    folds: dict[str, set[int]] = {}
    for digest, fold in zip(found.sample.digests, found.sample.fold_of.tolist(), strict=True):
        folds.setdefault(digest, set()).add(fold)
    assert len(folds) < len(found.sample.digests)
    assert all(len(fold) == 1 for fold in folds.values())


def test_the_default_budget_is_a_share_of_the_fit_and_some_seconds_at_least(digits: Path) -> None:
    recipe = prepare(Options(str(digits), "medical-small"), Silent()).recipe
    assert choose_budget(recipe, 50) == MIN_BUDGET_SECONDS >= 10.0
    assert choose_budget(recipe, 40_000) == pytest.approx(BUDGET_SHARE * estimate_fit_seconds(recipe, 40_000))
    assert choose_budget(recipe, 40_000) > 100.0
    assert choose_budget(recipe, 80_000) == pytest.approx(2 * choose_budget(recipe, 40_000))


def test_probe_answers_with_its_table_and_a_picture(digits: Path, how: dict[str, Any], tmp_path: Path) -> None:
    result = probe(digits, recipe="natural-small", budget=60, out=tmp_path / "new" / "probe.png", **how)
    answer = json.loads(json.dumps(result.to_json()))
    assert {"recipe", "choices", "chosen", "seconds", "picture"} <= set(answer)
    keys = {"setting", "value", "metric", "mean", "standard_error", "seconds", "chosen"}
    assert all(keys <= set(trial) for trial in answer["choices"])
    for setting in {trial["setting"] for trial in answer["choices"]}:
        assert sum(trial["chosen"] for trial in answer["choices"] if trial["setting"] == setting) == 1
    assert [stage["stage"] for stage in answer["depth"]][-1] == "last output"
    with Image.open(answer["picture"]) as picture:
        assert picture.size[0] > 800
    with pytest.raises(UsageError, match="exists already"):
        probe(digits, recipe="natural-small", out=tmp_path / "new" / "probe.png", **how)


@pytest.mark.parametrize("wrong", [{"budget": 0.0}, {"rate": 1e-3}, {"cache": False}, {"recipe": "medical-huge"}])
def test_what_a_probe_cannot_do_is_refused(digits: Path, how: dict[str, Any], wrong: dict[str, Any]) -> None:
    how = {**how, "weights": None, "settings": ()} if "recipe" in wrong else how
    with pytest.raises(UsageError):
        probe(digits, **({"recipe": "natural-small", "out": Path("never.png")} | how | wrong))


def test_a_fit_by_the_table_is_probed_unless_asked_not_to(
    digits: Path, how: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    probed = fit(digits, shift="similar", folds=0, **how)
    assert probed.probe is not None
    assert probed.seconds["probe"] > 0
    values = json.loads((probed.run / "plan.json").read_text())["values"]
    assert any("evidence" in value for value in values.values())
    plain = fit(digits, shift="similar", folds=0, probe=False, **how)
    assert "probe" not in plain.to_json()
