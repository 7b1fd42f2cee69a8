"""Where a finished model computes: on the CPU by its graph, on a GPU by torch, with the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from sightx_cli.api.predict import predict
from sightx_cli.bundle.bundle_forward import DEVICE_TOLERANCE, GPU_PAYS_IMAGES, choose_bundle_device
from sightx_cli.bundle.facts import load_facts
from sightx_cli.bundle.predictor import load_predictor, load_torch_predictor, suit_images
from sightx_cli.errors import UsageError

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

NO_GPU = pytest.param("cuda", marks=[]) if not torch.cuda.is_available() else pytest.param("tpu")


def test_torch_gives_the_answers_of_the_graph(digits_run: FitResult, digits: Path) -> None:
    items = [(str(file), file) for file in sorted(digits.rglob("*.png"))]
    by_graph = load_predictor(digits_run.run)
    by_torch = load_torch_predictor(digits_run.run, by_graph.facts, 1, "cpu", batch=16)
    for one, other in zip(by_graph.predict(items), by_torch.predict(items), strict=True):
        assert one.probabilities is not None
        assert other.probabilities is not None
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=DEVICE_TOLERANCE / 10)
        assert (one.image, one.status, one.chosen) == (other.image, other.status, other.chosen)
        assert one.distance == pytest.approx(other.distance, abs=1e-3)


def test_a_gpu_is_asked_for_only_where_it_pays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    driver = tmp_path / "nvidiactl"
    monkeypatch.setattr("sightx_cli.machine.NVIDIA_FILES", (str(driver),))
    monkeypatch.setenv("PATH", str(tmp_path))
    usual = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_bundle_device("auto", 10**9) == "cpu"
    driver.touch()
    assert choose_bundle_device("auto", GPU_PAYS_IMAGES - 1) == "cpu"
    assert choose_bundle_device("auto", GPU_PAYS_IMAGES) == usual  # a driver alone is no GPU
    assert choose_bundle_device("cpu", 10**9) == "cpu"


@pytest.mark.parametrize("device", [NO_GPU])
def test_a_device_that_is_not_here_is_refused_before_anything_is_written(
    device: str, digits_run: FitResult, digits: Path, tmp_path: Path
) -> None:
    output = tmp_path / "predictions.csv"
    with pytest.raises(UsageError, match=f"--device {device}: this machine has"):
        predict(digits, model=digits_run.run, output=output, device=device)
    assert not output.exists()


def test_few_images_stay_with_the_graph(digits_run: FitResult) -> None:
    predictor = load_predictor(digits_run.run)
    assert suit_images(predictor, digits_run.run, 10, "auto") is predictor
    assert predictor.forward.engine == "openvino"
    assert load_facts(digits_run.run).graph
