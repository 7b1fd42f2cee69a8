"""A network that OpenVINO cannot convert is fitted, measured and predicted by torch, after one line each time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import timm
import torch
from timm.models import _registry
from torch import Tensor, nn

from sightx_cli import fit, load_model, predict
from sightx_cli.errors import RunError
from sightx_cli.progress import Recorder

NAME = "bessel_resnet"


class Bessel(nn.Module):
    """An activation that OpenVINO has no rule for."""

    def forward(self, features: Tensor) -> Tensor:
        return torch.special.bessel_j0(features)


def build_bessel_resnet(pretrained: bool = False, **options: Any) -> nn.Module:
    network = timm.create_model("test_resnet", pretrained=False, **options)
    network.act1 = Bessel()
    return network


@pytest.fixture
def bessel_resnet(monkeypatch: pytest.MonkeyPatch) -> str:
    """A network that timm knows by name as long as the test runs."""
    monkeypatch.setitem(_registry._model_entrypoints, NAME, build_bessel_resnet)
    monkeypatch.setitem(_registry._module_to_models, "resnet", _registry._module_to_models["resnet"] | {NAME})
    return NAME


def test_torch_runs_it_from_the_fit_to_the_prediction(
    digits: Path,
    random_weights: Callable[[str], Path],
    bessel_resnet: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    heard = Recorder()
    result = fit(
        digits,
        recipe="natural-small",
        backbone=bessel_resnet,
        weights=random_weights("test_resnet"),
        settings=("image.size_px=32", "stage.0.epochs=1"),
        listener=heard,
    )
    lines = [line for line in heard.warnings if "OpenVINO cannot convert this network" in line]
    assert len(lines) == 2
    assert "bessel_j0" in lines[0]
    assert "predict runs it with torch" in lines[1]
    assert json.loads((result.run / "bundle" / "bundle.json").read_text())["graph"] is False
    assert not (result.run / "bundle" / "graph.xml").exists()

    split = pd.read_csv(result.run / "split.csv")
    valid = split[split["split"] == "valid"]
    predict([digits / image for image in valid["image"]], model=result.run, output=Path("valid.csv"))
    right = pd.read_csv("valid.csv")["prediction"].to_numpy() == valid["label"].to_numpy()
    assert right.mean() == pytest.approx(result.metrics["accuracy"])
    answers = load_model(result.run).predict([digits / image for image in valid["image"]])
    assert [one.prediction for one in answers] == pd.read_csv("valid.csv")["prediction"].tolist()

    weights = result.run / "bundle" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"weights\.safetensors: is not the file that fit wrote"):
        predict(digits, model=result.run, output=Path("again.csv"))
