"""The folder for a hub is loaded by timm, and the code of its README gives the model's own answers."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
from safetensors.torch import load_file

from sightx_cli.bundle.exporter import FinishedModel
from sightx_cli.bundle.exporters.timm_folder import CARD, CONFIG, LOADER, WEIGHTS, TimmFolder
from sightx_cli.data.pixels import read_plain_view
from sightx_cli.data.readers import AS_IS
from sightx_cli.task.multilabel import MultiLabel

CLASSES = ("ant", "bee", "wasp")


def write(model: FinishedModel, folder: Path, precision: Any = "float32") -> Path:
    folder.mkdir()
    assert TimmFolder().write(model, folder, precision) == ""
    return folder


@pytest.mark.parametrize("taps", ["last", "all"])
def test_the_folder_gives_the_models_probabilities(
    finish_model: Any, compute_plainly: Any, views: Any, tmp_path: Path, taps: str
) -> None:
    model = finish_model(taps=taps)
    folder = write(model, tmp_path / "hub")
    assert (folder / LOADER).exists() == (taps == "all")
    found = TimmFolder().load(model, folder, "float32").answer_views(views)
    np.testing.assert_allclose(found, compute_plainly(model, views), atol=1e-5)
    assert found.std(0).max() > 0.01


def test_timm_loads_it_by_the_configuration_of_a_hub(finish_model: Any, tmp_path: Path) -> None:
    import torch

    model = finish_model()
    folder = write(model, tmp_path / "hub")
    config = json.loads((folder / CONFIG).read_text())
    assert (config["architecture"], config["label_names"]) == ("test_resnet", [*CLASSES])
    overlay = {"file": str(folder / WEIGHTS), "num_classes": 3}
    loaded = [timm.create_model("test_resnet", pretrained=True, num_classes=3, pretrained_cfg_overlay=overlay)]
    if tuple(int(part) for part in timm.__version__.split(".")[:3]) >= (1, 0, 16):
        loaded.append(timm.create_model(f"local-dir:{folder}", pretrained=True))
        assert timm.data.resolve_model_data_config(loaded[-1])["crop_mode"] == "squash"
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = model.classifier(images)
        for one in loaded:
            torch.testing.assert_close(one.eval()(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
@pytest.mark.parametrize("taps", ["last", "all"])
def test_the_code_of_the_readme_gives_the_models_answer_to_an_image(
    finish_model: Any, compute_plainly: Any, write_photo: Callable[..., Path], tmp_path: Path, fit: str, taps: str
) -> None:
    task = MultiLabel(CLASSES) if taps == "all" else None
    model = finish_model(taps=taps, fit=fit, task=task)
    folder = write(model, tmp_path / "hub")
    image = write_photo(folder / "image.jpg", seed=3, size=(70, 51))
    said: list[dict[str, float]] = []
    run_readme(folder, said.append)
    view, _ = read_plain_view(image, 32, fit, AS_IS)
    [expected] = compute_plainly(model, view[None])
    assert said == [pytest.approx(dict(zip(CLASSES, expected.tolist(), strict=True)), abs=1e-5)]


def run_readme(folder: Path, hear: Callable[[Any], None]) -> None:
    """Run the code of a folder's README in it."""
    [code] = re.findall(r"```python\n(.*?)```", (folder / CARD).read_text(encoding="utf-8"), re.DOTALL)
    paths = [*sys.path]
    try:
        with contextlib.chdir(folder):
            exec(compile(code, CARD, "exec"), {"print": hear})
    finally:
        sys.path[:] = paths
        sys.modules.pop("classifier", None)


def test_the_module_beside_the_weights_needs_nothing_of_sightx(finish_model: Any, tmp_path: Path) -> None:
    folder = write(finish_model(taps="all"), tmp_path / "hub")
    imported = re.findall(r"^(?:import|from) (\w+)", (folder / LOADER).read_text(encoding="utf-8"), re.MULTILINE)
    assert {*imported} - sys.stdlib_module_names == {"timm", "torch", "safetensors"}
    assert "library_name: pytorch" in (folder / CARD).read_text(encoding="utf-8")
    assert "its head reads the outputs of 5 stages" in (folder / CARD).read_text(encoding="utf-8")


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_halves_the_file_and_keeps_the_answers(
    finish_model: Any, compute_plainly: Any, views: Any, tmp_path: Path, precision: Any
) -> None:
    model = finish_model()
    whole, half = write(model, tmp_path / "whole"), write(model, tmp_path / "half", precision)
    assert (half / WEIGHTS).stat().st_size < 0.6 * (whole / WEIGHTS).stat().st_size
    tensors = load_file(half / WEIGHTS)
    assert str(tensors["conv1.0.weight"].dtype) == f"torch.{precision}"
    assert str(tensors["bn1.running_var"].dtype) == "torch.float32"
    found = TimmFolder().load(model, half, precision).answer_views(views)
    np.testing.assert_allclose(found, compute_plainly(model, views), atol=1e-2)


def test_the_readme_is_the_runs_card_for_a_hub(finish_model: Any, tmp_path: Path) -> None:
    model = finish_model(fit="pad")
    (model.run / "model_card.md").write_text(
        "---\nlibrary_name: sightx\nlicense: mit\n---\n\n# Ants\n\nThe whole report, with curves and pictures, is "
        "`report.html`; every number stands in `metrics.json`.\n\n## Limits\n\n- few\n\n## How to use it\n\nsightx\n"
    )
    text = (write(model, tmp_path / "hub") / CARD).read_text(encoding="utf-8")
    assert text.startswith("---\nlibrary_name: timm\nlicense: mit\n---\n\n# Ants\n")
    assert "report.html" not in text
    assert text.count("## How to use it") == 1
    assert "- few\n" in text
    assert "puts a mean colour there" in text


def test_without_a_card_the_readme_names_network_and_classes(finish_model: Any, tmp_path: Path) -> None:
    text = (write(finish_model(), tmp_path / "hub") / CARD).read_text(encoding="utf-8")
    assert "pipeline_tag: image-classification" in text
    assert "ant, bee, wasp" in text
