"""The TorchScript file answers as the model does, for any number of images, and tells nothing of this machine."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightx_cli.bundle.exporters.torchscript_module import MODULE, TorchScriptModule
from sightx_cli.model.traced_module import write_traced
from sightx_cli.task.multilabel import MultiLabel


@pytest.mark.parametrize(("name", "taps"), [("test_resnet", "all"), ("test_efficientnet", "last")])
def test_the_file_gives_the_models_probabilities_of_any_number_of_images(
    finish_model: Any, compute_plainly: Any, views: Any, tmp_path: Path, name: str, taps: str
) -> None:
    model = finish_model(name, taps=taps, task=MultiLabel(("ant", "bee", "wasp")))
    assert TorchScriptModule().write(model, tmp_path, "float32") == ""
    answer, expected = TorchScriptModule().load(model, tmp_path, "float32").answer_views, compute_plainly(model, views)
    for images in (1, 2, 5):
        np.testing.assert_allclose(answer(views[:images]), expected[:images], atol=1e-5)
    assert expected.std(0).max() > 0.01


def test_a_network_cut_within_its_own_forward_is_traced_for_any_number_of_images_too(
    finish_model: Any, compute_plainly: Any, tmp_path: Path
) -> None:
    model = finish_model("test_vit", taps="last:2", size_px=160)
    images = np.random.default_rng(0).integers(0, 256, (3, 160, 160, 3), dtype=np.uint8)
    assert TorchScriptModule().write(model, tmp_path, "float32") == ""
    answer, expected = TorchScriptModule().load(model, tmp_path, "float32").answer_views, compute_plainly(model, images)
    for count in (1, 3):
        np.testing.assert_allclose(answer(images[:count]), expected[:count], atol=1e-5)


def test_bfloat16_halves_the_file_and_is_near(
    finish_model: Any, compute_plainly: Any, views: Any, tmp_path: Path
) -> None:
    model = finish_model()
    sizes = {}
    for precision in ("float32", "bfloat16"):
        assert TorchScriptModule().write(model, tmp_path, precision) == ""  # type: ignore[arg-type]
        sizes[precision] = sum(entry.file_size for entry in list_entries(tmp_path, "/data/"))
    assert sizes["bfloat16"] < 0.6 * sizes["float32"]
    found = TorchScriptModule().load(model, tmp_path, "bfloat16").answer_views(views)
    np.testing.assert_allclose(found, compute_plainly(model, views), atol=5e-2)


def list_entries(folder: Path, part: str) -> list[zipfile.ZipInfo]:
    with zipfile.ZipFile(folder / MODULE) as file:
        return [entry for entry in file.infolist() if part in entry.filename]


def test_the_file_names_no_path_of_this_machine(finish_model: Any, tmp_path: Path) -> None:
    assert TorchScriptModule().write(finish_model(), tmp_path, "float32") == ""
    with zipfile.ZipFile(tmp_path / MODULE) as file:
        contents = b"".join(file.read(entry) for entry in file.infolist())
    roots = {Path(torch.__file__).parent.parent, Path(__file__).parent.parent.parent.parent}
    assert not [root for root in roots if str(root).encode() in contents]
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [MODULE]


class Undecided(nn.Module):
    """Cannot be traced."""

    def forward(self, images: Tensor) -> Tensor:
        raise RuntimeError("this network asks for more\nand says so at length")


def test_a_network_that_cannot_be_traced_says_why(tmp_path: Path) -> None:
    why = write_traced(Undecided(), 32, tmp_path / MODULE)
    assert why == "torch cannot trace this network (this network asks for more)"
    assert list(tmp_path.iterdir()) == []
