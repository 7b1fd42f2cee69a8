"""Every reference recipe fits, from images to a product that predicts: a file in the folder is tested by being there.

The weights are random, since the real ones of these networks need a network connection. The recipes in REAL fit on
their own networks; for the others a small cousin stands in, whose stages bear the same names where the recipe names
them. The published figures of all of them, on the real networks, are in `tests/model/test_reference.py`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli import fit
from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.progress import Recorder
from sightx_cli.recipe.files import list_reference_summaries
from sightx_cli.recipe.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

PHOTOGRAPHS = Path(__file__).parents[3] / "shared" / "data" / "hymenoptera" / "train"
REAL = ("sightx-dr", "xray-grey", "mobilenetv2-features", "mobilenetv2-partial", "mobilenetv2-progressive")
COUSINS = {
    "resnet50": "test_resnet",
    "vgg16": "test_resnet",  # timm has no small VGG: the smallest fills 100 million weights first
    "efficientnet_b0": "test_efficientnet",
    "mobilenetv2_100": "test_efficientnet",
}
SIZE_PX = 32


@pytest.fixture(scope="module")
def few(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photographs of each class to train on, three to validate; digits where the photographs are missing."""
    root = tmp_path_factory.mktemp("few")
    for folder in sorted((PHOTOGRAPHS if PHOTOGRAPHS.is_dir() else digits).iterdir()):
        for place, file in enumerate(sorted(folder.iterdir())[:9]):
            target = root / ("train" if place < 6 else "valid") / folder.name / f"{place}{file.suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(file)
    return root


def list_valid(few: Path) -> list[Path]:
    return sorted(path for path in (few / "valid").rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def write_weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Recipe, str], Path | None]:
    """Writes random weights of what a recipe reads of a network, once; None where it trains from random ones anyway."""
    folder = tmp_path_factory.mktemp("weights")

    def write(recipe: Recipe, backbone: str) -> Path | None:
        import timm
        import torch
        from safetensors.torch import save_file

        from sightx_cli.model.backbone import build_network
        from sightx_cli.model.tail import drop_behind_map

        file = folder / f"{backbone}-{recipe.model.head.pool}.safetensors"
        if recipe.model.weights == "scratch":
            return None
        if not file.exists():
            torch.manual_seed(0)
            network = build_network(backbone, SIZE_PX)
            if recipe.model.head.pool == "flatten":
                drop_behind_map(network, SIZE_PX)
            config = timm.get_pretrained_cfg(backbone)
            said = {"mean": json.dumps(config.mean), "std": json.dumps(config.std)}
            save_file(network.state_dict(), file, metadata=said)
        return file

    return write


def shorten(recipe: Recipe) -> list[str]:
    """One epoch for each stage, one more for each part that joins in it, and one to warm up where the recipe does."""
    joins = [
        f"stage.{n}.join.{k}.after={k + 1}" for n, stage in enumerate(recipe.stage) for k in range(len(stage.join))
    ]
    warming = int(recipe.training.warmup_epochs > 0)
    epochs = [f"stage.{number}.epochs={1 + len(stage.join) + warming}" for number, stage in enumerate(recipe.stage)]
    return [
        f"image.size_px={SIZE_PX}",
        "training.batch=9",
        f"training.warmup_epochs={warming}",
        f"training.views={min(2, recipe.training.views)}",
        *epochs,
        *joins,
    ]


def fit_few(name: str, few: Path, out: Path, write_weights: Any) -> tuple[FitResult, list[str]]:
    recipe = load_recipe(next(one.file for one in list_reference_summaries() if one.name == name))
    own = recipe.model.backbone
    backbone = own if name in REAL else COUSINS.get(own, own)
    how: dict[str, Any] = {"backbone": backbone, "weights": write_weights(recipe, backbone), "engine": "torch"}
    heard = Recorder()
    return fit(few, recipe=name, settings=shorten(recipe), out=out, listener=heard, full=True, **how), heard.warnings


def check_product(result: FitResult, few: Path) -> list[str]:
    """Every stage trained, and what is reported is what the bundle's own graph says of the valid images.

    Returns the classes of which it finds no image, as one epoch on few images may leave them.
    """
    recipe = load_recipe(result.run / "recipe.toml")
    with (result.run / "history.csv").open(encoding="utf-8") as file:
        trained = {row["stage"] for row in csv.DictReader(file)}
    assert {stage.title for stage in recipe.stage} <= trained
    files = list_valid(few)
    predictor = load_predictor(result.run)
    found = [
        (Path(one.image).parent.name, result.classes[int(np.argmax(one.probabilities))])
        for one in predictor.predict((str(file), str(file)) for file in files)
        if one.probabilities is not None
    ]
    right = [label == answer for label, answer in found]
    assert len(right) == len(files) == 3 * len(result.classes)
    assert sum(right) / len(right) == pytest.approx(result.metrics["accuracy"])
    return [one for one in result.classes if (one, one) not in found]


@pytest.mark.slow
@pytest.mark.parametrize("name", [one.name for one in list_reference_summaries()])
def test_a_reference_recipe_fits_from_images_to_a_product(
    name: str, few: Path, tmp_path: Path, write_weights: Callable[[Recipe, str], Path | None], home: Path
) -> None:
    result, warnings = fit_few(name, few, tmp_path / "run", write_weights)
    unrecognised = check_product(result, few)
    assert [warning.partition(" (")[0] for warning in warnings] == [f"never recognised: {one}" for one in unrecognised]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in which `runs/latest` appears."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def test_the_product_of_a_grey_recipe_reads_a_colour_image_by_its_luminance(
    few: Path, tmp_path: Path, random_weights: Callable[[str], Path], home: Path
) -> None:
    """Through the bundle's own graph: of the same grey, the same answer."""
    settings = ("image.size_px=32", "stage.0.epochs=1", "model.grey=sum")
    how: dict[str, Any] = {"backbone": "test_resnet", "weights": random_weights("test_resnet"), "engine": "torch"}
    result = fit(few, recipe="natural-small", settings=settings, out=tmp_path / "run", **how)
    grey = Image.open(list_valid(few)[0]).convert("L")
    red = np.stack([np.array(grey) * (plane == 0) for plane in range(3)], -1).astype(np.uint8)
    Image.fromarray(red).save(tmp_path / "red.png")
    Image.fromarray(np.round(np.array(grey) * 0.299).astype(np.uint8)).save(tmp_path / "dim.png")
    predictor = load_predictor(result.run)
    assert predictor.facts.grey == "sum"
    red_says, dim_says = predictor.predict((f"{name}.png", str(tmp_path / f"{name}.png")) for name in ("red", "dim"))
    assert red_says.probabilities is not None
    assert red_says.probabilities == pytest.approx(dim_says.probabilities, abs=0.02)
