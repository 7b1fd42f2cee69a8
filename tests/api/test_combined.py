"""`--backbone A+B`: a fit of networks side by side gives one bundle, and goes on after anything."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from sightx_cli import evaluate, fit, predict
from sightx_cli.bundle.explainer import load_explainer
from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.progress import Silent
from sightx_cli.results.fit import FitResult

PAIR = "test_resnet+test_efficientnet"
"""Networks with five stages and six, and of two normalisations."""
HEAD = 'stage=[{train="head",epochs=1,rate=1e-3}]'
TUNED = 'stage=[{train="head",epochs=1,rate=1e-3},{train="last:2",epochs=3,rate={head=1e-3,backbone=1e-3}}]'
WHOLE = 'stage=[{train="all",epochs=1,rate=1e-4}]'
TAPS = "model.head.taps=last:3"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which `runs/` appears."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def weights(random_weights: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of both networks in one file."""
    file = tmp_path_factory.mktemp("both") / "both.safetensors"
    names = PAIR.split("+")
    tensors = {f"{name}.{k}": v for name in names for k, v in load_file(random_weights(name)).items()}
    save_file(tensors, file)
    return file


def fit_pair(source: Path, weights: Path, *settings: str, **how: Any) -> FitResult:
    given = ("image.size_px=32", "image.profile=none", TAPS, *settings)
    asked = {"backbone": PAIR, "weights": weights, "recipe": "natural-small", "folds": 0, **how}
    return fit(source, settings=given, **asked)


@pytest.fixture(scope="module")
def made(digits: Path, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FitResult]:
    """Three runs: of the head alone, of the last two stages of both networks too, and of all layers from images."""
    stages = {"head": HEAD, "tuned": TUNED, "whole": WHOLE}
    with contextlib.chdir(tmp_path_factory.mktemp("made")):
        return {name: fit_pair(digits, weights, one, out=Path(name)) for name, one in stages.items()}


def measure_difference(run: Path, files: list[Path]) -> float:
    """The largest difference between the compiled model's probabilities and those of the weights in torch."""
    predictor, explainer = load_predictor(run), load_explainer(run)
    facts = predictor.facts
    mean, std = (np.array(one, np.float32) for one in (facts.mean, facts.std))
    largest = 0.0
    for file, found in zip(files, predictor.predict((one.name, str(one)) for one in files), strict=True):
        pixels, _ = read_plain_view(file, facts.size_px, facts.fit, facts.reading)
        image = torch.from_numpy(((pixels / 255 - mean) / std).astype(np.float32)).permute(2, 0, 1)[None]
        with torch.no_grad():
            expected = facts.task.temper(explainer.model(image).softmax(1).numpy(), facts.temperature)[0]
        assert found.probabilities is not None
        largest = max(largest, float(np.abs(expected - found.probabilities).max()))
    return largest


@pytest.mark.parametrize("name", ["head", "tuned", "whole"])
def test_the_bundle_answers_as_its_weights_do_in_torch(made: dict[str, FitResult], digits: Path, name: str) -> None:
    assert (made[name].run / "bundle" / "graph.xml").is_file()
    assert measure_difference(made[name].run, sorted(digits.rglob("*.png"))[::9]) < 1e-4


def test_the_run_predicts_and_is_evaluated(made: dict[str, FitResult], digits: Path) -> None:
    table = predict(digits, model=made["tuned"].run).output
    assert table is not None
    assert len(pd.read_csv(table)) == 72
    assert evaluate(digits, model=made["tuned"].run).to_json()["images"] == 72


def test_the_run_names_both_networks_and_holds_the_weights_of_each(made: dict[str, FitResult]) -> None:
    run = made["head"].run
    assert json.loads((run / "bundle" / "bundle.json").read_text(encoding="utf-8"))["backbone"] == PAIR
    names = load_file(run / "bundle" / "weights.safetensors")
    for network in PAIR.split("+"):
        assert any(name.startswith(f"0.network.{network}.") for name in names)


def find_changed(run: Path, weights: Path) -> set[str]:
    """The stages, with their network, whose weights are no longer those of the file."""
    before, after = load_file(weights), load_file(run / "bundle" / "weights.safetensors")
    return {
        ".".join(name.split(".")[: 3 if ".blocks." in name else 2])
        for name, tensor in before.items()
        if not torch.equal(tensor, after[f"0.network.{name}"])
    }


def test_tuning_trains_the_last_stages_of_both_and_nothing_before(made: dict[str, FitResult], weights: Path) -> None:
    assert find_changed(made["head"].run, weights) == set()
    assert find_changed(made["tuned"].run, weights) == {
        "test_resnet.layer3",
        "test_resnet.layer4",
        "test_efficientnet.blocks.3",
        "test_efficientnet.blocks.4",
        "test_efficientnet.conv_head",
        "test_efficientnet.bn2",
    }


class Stopped(BaseException):
    """What ends a fit in the tests: nothing catches it."""


class StopAfter(Silent):
    """Stops a fit after so many rows of its history."""

    def __init__(self, rows: int) -> None:
        self.left = rows

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped


@pytest.mark.slow
def test_a_stopped_fit_goes_on_to_what_it_would_have_been(
    made: dict[str, FitResult], digits: Path, weights: Path
) -> None:
    with pytest.raises(Stopped):
        fit_pair(digits, weights, TUNED, out=Path("begun"), listener=StopAfter(2))
    again = fit(resume=Path("begun"))
    one, other = (load_file(run.run / "bundle" / "weights.safetensors") for run in (made["tuned"], again))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_of_both_goes_on_with_its_images_again(made: dict[str, FitResult], digits: Path) -> None:
    again = fit(
        digits, from_run=made["tuned"].run, out=Path("again"), settings=('stage=[{train="head",epochs=1,rate=1e-9}]',)
    )
    assert again.metrics["loss"] == pytest.approx(made["tuned"].metrics["loss"], abs=0.05)


@pytest.mark.slow
def test_packaged_networks_side_by_side_are_fitted_with_their_own_weights(digits: Path) -> None:
    name = "tf_efficientnet_lite0+tf_efficientnet_lite2"
    for settings in ((HEAD,), (TUNED, TAPS)):
        result = fit(
            digits,
            recipe="natural-small",
            backbone=name,
            settings=("image.size_px=64", "image.profile=none", *settings),
            folds=0,
        )
        assert measure_difference(result.run, sorted(digits.rglob("*.png"))[::9]) < 1e-3
