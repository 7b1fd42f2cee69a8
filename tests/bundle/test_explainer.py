"""Heatmaps of a trained run: the account is that of its answers, and it is lost with its weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sightx_cli.bundle.explainer import Explainer, load_explainer
from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.data.readers import ImageFileError, Reading
from sightx_cli.errors import RunError, UsageError

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult


def list_files(digits: Path) -> list[Path]:
    return sorted(digits.rglob("*.png"))[::9]


def test_a_map_sums_to_what_the_compiled_model_answers(digits_run: FitResult, digits: Path) -> None:
    explainer, predictor = load_explainer(digits_run.run), load_predictor(digits_run.run)
    files = list_files(digits)
    bias = explainer.model[1][-1].bias.numpy()  # type: ignore[index, union-attr, operator]
    for file, prediction in zip(files, predictor.predict((file.name, str(file)) for file in files), strict=True):
        assert prediction.probabilities is not None
        logits = np.log(prediction.probabilities) * explainer.facts.temperature - bias
        for heatmap in explainer.explain(file, explainer.facts.task.classes):
            expected = float(logits @ explainer.facts.task.weigh_logits(heatmap.class_name))
            assert float(heatmap.square.sum()) == pytest.approx(expected, abs=0.01)
            assert (heatmap.is_exact, heatmap.covered) == (True, pytest.approx(1))


def test_random_weights_change_the_map(digits_run: FitResult, digits: Path) -> None:
    """Adebayo et al. 2018, "Sanity Checks for Saliency Maps" (arXiv:1810.03292): from the head down, stage by stage."""
    explainer, files = load_explainer(digits_run.run), list_files(digits)
    trained = collect(explainer, files)
    network = explainer.model[0].network
    alike = []
    for part in (explainer.model[1], network.conv_head, *reversed(list(network.blocks))):  # type: ignore[arg-type, union-attr]
        torch.manual_seed(3)
        for module in part.modules():
            if isinstance(module, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                module.reset_parameters()
        alike.append(compare(trained, collect(explainer, files)))
    assert max(alike) < 0.5, alike
    assert abs(alike[-1]) < 0.2, alike


def collect(explainer: Explainer, files: list[Path]) -> list[np.ndarray]:
    names = explainer.facts.task.classes
    return [explainer.explain(file, [names[0]])[0].square.ravel() for file in files]


def compare(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    """The mean correlation of maps with others of the same images."""
    return float(np.mean([np.corrcoef(one, other)[0, 1] for one, other in zip(some, others, strict=True)]))


def test_an_image_that_is_stored_on_its_side_is_explained_upright(
    digits_run: FitResult, digits: Path, tmp_path: Path
) -> None:
    upright = Image.open(list_files(digits)[4]).convert("RGB").resize((96, 64))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter when shown
    upright.save(tmp_path / "upright.png")
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    name = digits_run.classes[0]
    explainer = load_explainer(digits_run.run)
    [one], [other] = (explainer.explain(tmp_path / file, [name]) for file in ("upright.png", "turned.png"))
    np.testing.assert_allclose(other.square, one.square, atol=1e-5)
    assert one.place((96, 64)).shape == (64, 96)


@pytest.mark.parametrize("kind", ["png", "dcm"])
def test_deep_files_are_read_as_in_training(
    digits_run: FitResult, digits: Path, tmp_path: Path, write_dicom: Callable[..., Path], kind: str
) -> None:
    grey = np.asarray(Image.open(list_files(digits)[4]).convert("L"))
    Image.fromarray(grey).save(tmp_path / "plain.png")
    deep = tmp_path / f"deep.{kind}"
    if kind == "png":
        Image.fromarray(grey.astype(np.uint16) * 16).save(deep)
    else:
        write_dicom(deep, grey.astype(np.uint16) * 16)
    explainer = load_explainer(digits_run.run)
    ranged = replace(explainer, facts=replace(explainer.facts, reading=Reading(asked=(0, 255 * 16))))
    [one], [other] = (who.explain(file, ["two"]) for who, file in ((explainer, tmp_path / "plain.png"), (ranged, deep)))
    assert np.abs(other.square - one.square).max() < 0.02 * np.abs(one.square).max()


def test_what_cannot_be_read_is_an_error_of_the_image(digits_run: FitResult, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_text("text")
    with pytest.raises(ImageFileError, match="is not a readable image"):
        load_explainer(digits_run.run).explain(tmp_path / "bad.png", digits_run.classes[:1])


def test_a_class_that_the_model_does_not_know_is_refused_with_the_nearest(digits_run: FitResult) -> None:
    with pytest.raises(UsageError, match="--class noght: this model knows nought, one, two") as refused:
        load_explainer(digits_run.run).check_class("noght")
    assert refused.value.hint == "--class nought"


def test_a_class_may_be_named_in_another_spelling_that_is_its_own(digits_run: FitResult) -> None:
    explainer = load_explainer(digits_run.run)
    assert [explainer.check_class(name) for name in ("nought", "NOUGHT", " One\u200b ")] == ["nought", "nought", "one"]


def test_weights_that_are_gone_or_of_another_fit_are_refused(digits_run: FitResult, tmp_path: Path) -> None:
    shutil.copytree(digits_run.run, tmp_path / "run")
    weights = tmp_path / "run" / "bundle" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(RunError, match="is not the file that fit wrote"):
        load_explainer(tmp_path / "run")
    weights.unlink()
    with pytest.raises(RunError, match="cannot be read"):
        load_explainer(tmp_path / "run")
