"""The run folder: all that DESIGN lists, nothing that can run code, and every value with where it came from."""

from __future__ import annotations

import csv
import io
import json
import pickletools
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.plan import ORIGINS
from sightx_cli.recipe.recipe import load_recipe, recipe_to_table
from sightx_cli.results.fit import BestEpoch
from sightx_cli.steps.run_files import read_package_version, scale_recipe
from sightx_cli.version import VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from sightx_cli.results.fit import FitResult

FILES = {
    "recipe.toml",
    "plan.json",
    "fingerprint.json",
    "predictions/valid.csv",
    "split.csv",
    "out_of_fold.csv",
    "history.csv",
    "metrics.json",
    "environment.json",
    "training.png",
    "confusion.png",
    "report.html",
    "model_card.md",
    "bundle/bundle.json",
    "bundle/graph.xml",
    "bundle/graph.bin",
    "bundle/weights.safetensors",
    "bundle/familiar.safetensors",
}


def read_json(digits_run: FitResult, name: str) -> Any:
    return json.loads((digits_run.run / name).read_text(encoding="utf-8"))


def read_rows(digits_run: FitResult, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((digits_run.run / name).read_text(encoding="utf-8"))))


def test_the_recipe_of_a_run_has_the_rates_trained_with_of_what_joins_too() -> None:
    recipe, _ = find_recipe("mobilenetv2-progressive")
    scaled = scale_recipe(recipe, 0.5)
    assert [stage.rate for stage in scaled.stage] == [5e-4, 5e-4, *[{"head": 5e-4, "backbone": 5e-5}] * 2]
    assert [join.rate for join in scaled.stage[1].join] == [5e-5]


def test_a_run_holds_what_it_should_and_nothing_else(digits_run: FitResult) -> None:
    found = {path.relative_to(digits_run.run).as_posix() for path in digits_run.run.rglob("*") if path.is_file()}
    assert found == FILES
    assert {path.name for path in digits_run.run.parent.iterdir()} == {digits_run.run.name, "latest"}


def test_the_plan_holds_the_command_that_makes_the_run_again(digits: Path, digits_run: FitResult) -> None:
    command = read_json(digits_run, "plan.json")["command"]
    settings = "--set image.size_px=64 --set stage.0.epochs=3 --set training.views=2"
    assert command == f"sightx fit {digits} --recipe natural-small --full {settings}"


def test_every_file_of_a_run_can_be_read_by_others(digits_run: FitResult) -> None:
    for path in (digits_run.run, *digits_run.run.rglob("*")):
        assert path.stat().st_mode & 0o444 == 0o444, path


@pytest.mark.parametrize("name", sorted(FILES))
def test_nothing_in_a_run_is_a_pickle(digits_run: FitResult, name: str) -> None:
    content = (digits_run.run / name).read_bytes()
    assert not zipfile.is_zipfile(io.BytesIO(content))  # what torch.save writes
    with pytest.raises((ValueError, IndexError, KeyError)):
        list(pickletools.genops(content))


def test_the_recipe_loads_again_with_the_options_in_it(digits_run: FitResult) -> None:
    again, shipped = load_recipe(digits_run.run / "recipe.toml"), find_recipe("natural-small")[0]
    assert (again.image.size_px, again.stage[0].epochs, again.training.views) == (64, 3, 2)
    expected = recipe_to_table(shipped)
    expected["image"]["size_px"], expected["stage"][0]["epochs"], expected["training"]["views"] = 64, 3, 2
    found = recipe_to_table(again)
    assert isinstance(found["image"].pop("off"), tuple | list)  # measured: what the labels do not bear
    assert found == expected


def test_every_value_of_the_plan_has_its_origin(digits_run: FitResult) -> None:
    plan = read_json(digits_run, "plan.json")
    assert {item["origin"] for item in plan["values"].values()} == set(ORIGINS) - {"run"}
    assert all(set(item) - {"evidence"} == {"value", "origin"} for item in plan["values"].values())
    assert plan["values"]["engine.precision"]["value"] == "float32"
    assert plan["values"]["engine.precision"]["evidence"]
    origins = {key: item["origin"] for key, item in plan["values"].items()}
    assert origins["image.size_px"] == origins["stage.0.epochs"] == "option"
    assert origins["model.backbone"] == origins["stage.0.rate"] == "recipe"
    assert origins["data.images"] == origins["data.classes"] == "data"
    assert origins["seed"] == origins["training.early_stop"] == origins["engine"] == "default"


def test_the_plan_holds_every_value_of_the_recipe(digits_run: FitResult) -> None:
    values = read_json(digits_run, "plan.json")["values"]
    table = recipe_to_table(load_recipe(digits_run.run / "recipe.toml"))
    flat = {f"{part}.{key}": value for part in ("image", "training") for key, value in table[part].items()}
    flat |= {f"stage.0.{key}": value for key, value in table["stage"][0].items()}
    flat["image.off"] = list(flat["image.off"])
    assert {key: values[key]["value"] for key in flat} == flat


def test_the_plan_says_why_with_the_users_own_numbers(digits_run: FitResult) -> None:
    plan = read_json(digits_run, "plan.json")
    assert plan["recipe"] == "natural-small"
    assert "57 images to train and 15 to validate in 3 classes" in plan["sentence"]
    assert plan["reason"] == digits_run.reason


def test_the_split_has_every_image_once_with_its_label(digits_run: FitResult) -> None:
    rows = read_rows(digits_run, "split.csv")
    assert list(rows[0]) == ["image", "label", "split", "group", "fold", "digest"]
    assert len({row["image"] for row in rows}) == len(rows) == 72
    assert all(row["image"].startswith(f"{row['label']}/") for row in rows)
    counts = {part: sum(row["split"] == part for row in rows) for part in ("train", "valid")}
    assert counts == digits_run.images == {"train": 57, "valid": 15}


def test_the_history_has_the_solved_head_and_every_epoch(digits_run: FitResult) -> None:
    rows = read_rows(digits_run, "history.csv")
    assert [(row["stage"], row["epoch"]) for row in rows] == [
        ("solved head", "0"),
        *(("head", str(n)) for n in (1, 2, 3)),
    ]
    assert {"train_loss", "valid_loss", "accuracy", "roc_auc", "seconds"} <= set(rows[0])


def test_the_product_has_the_figures_of_its_best_epoch(digits_run: FitResult) -> None:
    kept = [row for row in read_rows(digits_run, "history.csv") if row["best"]][-1]
    assert digits_run.best == BestEpoch(kept["stage"], int(kept["epoch"]), "accuracy")
    assert float(kept["accuracy"]) == digits_run.metrics["accuracy"]
    assert float(kept["valid_loss"]) == pytest.approx(digits_run.metrics["loss"], abs=0.01)


def test_the_metrics_are_those_of_the_result_with_intervals_and_classes(digits_run: FitResult) -> None:
    metrics = read_json(digits_run, "metrics.json")
    assert metrics["valid"]["metrics"] == digits_run.metrics
    assert set(digits_run.metrics) >= {"accuracy", "balanced_accuracy", "roc_auc", "quadratic_kappa", "loss"}
    assert digits_run.metrics["quadratic_kappa"] is None  # nought, one, two are no grades
    for name, interval in metrics["valid"]["intervals"].items():
        value = metrics["valid"]["metrics"][name]
        assert interval is None if value is None else interval[0] <= value <= interval[1]
    assert [one["label"] for one in metrics["valid"]["classes"]] == ["nought", "one", "two"]
    assert sum(map(sum, metrics["valid"]["confusion"])) == 15
    assert metrics["selected_on"] is True
    assert "test" not in metrics


def test_the_environment_says_what_made_the_run(digits_run: FitResult) -> None:
    environment = read_json(digits_run, "environment.json")
    assert {"python", "platform", "processor", "threads", "device", "packages"} <= set(environment)
    assert environment["packages"]["torch"]


@pytest.mark.parametrize("name", ["training.png", "confusion.png"])
def test_the_plots_are_pictures(digits_run: FitResult, name: str) -> None:
    with Image.open(digits_run.run / name) as image:
        image.load()
        assert image.format == "PNG"


def test_the_weights_are_those_of_the_whole_classifier(digits_run: FitResult) -> None:
    from safetensors import safe_open

    with safe_open(digits_run.run / "bundle" / "weights.safetensors", "pt") as file:
        names = set(file.keys())
        assert file.get_tensor("1.2.weight").shape[0] == 3
    assert {"0.network.conv_stem.weight", "0.network.bn1.running_mean", "1.0.mean", "1.2.bias"} <= names


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert read_package_version("sightx-cli") == VERSION
    assert read_package_version("no-such-package-of-ours") is None
