"""Domain weights in a fit: what is said, what the plan and the bundle record, and what contradicts a recipe."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sightx_cli import runs
from sightx_cli.api.fit import fit
from sightx_cli.bundle.facts import load_facts
from sightx_cli.errors import RecipeError, UsageError, WeightsError
from sightx_cli.progress import Recorder, Silent
from sightx_cli.recipe.decision import choose_recipe
from sightx_cli.results.fit import FitResult
from sightx_cli.steps.fit_plan import resolve_recipe
from sightx_cli.steps.options import Options
from sightx_cli.steps.preparation import prepare

MEAN, STD = (0.7, 0.5, 0.65), (0.2, 0.25, 0.2)
SMALL = {"backbone": "test_resnet", "engine": "torch"}


@pytest.fixture(scope="module")
def checkpoint(random_weights: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a small network as DINO saves them: teacher and student, each with a prefix."""
    file = tmp_path_factory.mktemp("domain") / "dino.pth"
    tensors = load_file(random_weights("test_resnet"))
    content = {
        "student": {f"module.backbone.{name}": tensor + 1 for name, tensor in tensors.items()},
        "teacher": {f"backbone.{name}": tensor for name, tensor in tensors.items()} | {"head.w": torch.zeros(2)},
    }
    torch.save(content, file)
    return file


@pytest.fixture(scope="module")
def run(digits: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[FitResult, Recorder]:
    """One short fit that starts from the teacher."""
    heard, folder = Recorder(), tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = fit(
            digits,
            recipe="natural-small",
            weights=checkpoint,
            weights_mean=MEAN,
            weights_std=STD,
            weights_prefix="teacher",
            settings=("image.size_px=32", "stage.0.epochs=1"),
            folds=0,
            listener=heard,
            **SMALL,
        )
    return result, heard


def load_values(result: FitResult) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((result.run / runs.PLAN).read_text())["values"]
    return values


def test_one_line_says_which_tensors_fitted_and_which_were_left_over(
    run: tuple[FitResult, Recorder], checkpoint: Path
) -> None:
    (line,) = [note for note in run[1].notes if note.startswith("weights: ")]
    needed = load_values(run[0])["weights.tensors"]["value"]
    assert line.startswith(f'weights: {checkpoint}: {needed} tensors fit; prefix "teacher.backbone." removed;')
    assert "left over (" in line


def test_the_plan_records_file_digest_tensors_prefix_and_who_says_the_normalisation(
    run: tuple[FitResult, Recorder], checkpoint: Path
) -> None:
    values = load_values(run[0])
    assert values["weights.file"]["value"] == str(checkpoint)
    assert values["weights.sha256"]["value"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert values["weights.prefix"]["value"] == "teacher.backbone."
    assert values["weights.left_over"]["value"] >= 1
    assert values["weights.mean"] == {"value": list(MEAN), "origin": "option"}
    assert values["weights.std"] == {"value": list(STD), "origin": "option"}
    assert values["model.weights"] == {"value": "file", "origin": "option"}
    environment = json.loads((run[0].run / runs.ENVIRONMENT).read_text())
    assert environment["weights"]["origin"] == str(checkpoint)


def test_the_bundle_predicts_with_the_normalisation_given(run: tuple[FitResult, Recorder]) -> None:
    facts = load_facts(run[0].run)
    assert (tuple(facts.mean), tuple(facts.std)) == (MEAN, STD)


def test_the_recipe_of_the_run_asks_for_the_file_again(run: tuple[FitResult, Recorder], digits: Path) -> None:
    recipe = run[0].run / runs.RECIPE
    assert tomllib.loads(recipe.read_text())["model"]["weights"] == "file"
    with pytest.raises(UsageError, match=r'has model\.weights = "file"') as caught:
        prepare(Options(str(digits), str(recipe)), Silent())
    assert "--weights FILE" in caught.value.hint


def test_a_normalisation_given_is_no_reason_to_warn(run: tuple[FitResult, Recorder]) -> None:
    assert run[0].warnings == ()


def test_a_normalisation_that_the_file_says_is_no_reason_to_warn(open_session: Callable[..., Any]) -> None:
    heard = Recorder()
    open_session(listener=heard)
    assert heard.warnings == []


def test_a_normalisation_that_nobody_gives_is_warned_of(
    open_session: Callable[..., Any], random_weights: Callable[[str], Path], tmp_path: Path
) -> None:
    heard, silent = Recorder(), tmp_path / "silent.safetensors"
    save_file(load_file(random_weights("test_resnet")), silent)
    open_session(listener=heard, weights=silent)
    (warning,) = [line for line in heard.warnings if "normalisation" in line]
    assert "timm's for test_resnet is assumed: mean 0.5,0.5,0.5, std 0.5,0.5,0.5" in warning
    assert "--weights-mean" in warning


def test_a_normalisation_on_the_wrong_scale_is_refused_before_any_image_is_read(checkpoint: Path) -> None:
    with pytest.raises(WeightsError, match="0 to 255 scale"):
        prepare(Options("nowhere", weights=checkpoint, weights_mean=127.5, weights_std=127.5), Silent())


def test_where_the_table_says_from_scratch_or_domain_weights_a_file_is_the_start(checkpoint: Path) -> None:
    choice = choose_recipe(600_000, "different")
    assert resolve_recipe(Options("nowhere"), choice)[0].model.weights == "scratch"
    assert resolve_recipe(Options("nowhere", weights=checkpoint), choice)[0].model.weights == "file"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"recipe": "medical-huge", "settings": ["model.weights=scratch"]}, "contradict each other"),
        ({"recipe": "mini-resnet"}, 'trains "scratch", from random weights'),
    ],
)
def test_a_file_and_an_order_to_start_from_scratch_contradict_each_other(
    asked: dict[str, Any], said: str, checkpoint: Path
) -> None:
    with pytest.raises((UsageError, RecipeError), match=said):
        resolve_recipe(Options("nowhere", weights=checkpoint, **asked), None)
