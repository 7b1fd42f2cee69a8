"""The pictures of a run: drawn for any history, any classes, without a display and without noise."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightx_cli.report.plots import limit_to_one, plot_confusion, plot_rates, plot_training


@pytest.fixture(autouse=True)
def no_noise() -> Iterator[None]:
    """A warning would stand on the user's screen."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def read(path: Path) -> np.ndarray[Any, Any]:
    """The picture's pixels; it is a PNG with something drawn on it."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.array(image.convert("RGB"))
    assert pixels.shape[0] > 200
    assert pixels.std() > 5
    return pixels


def make_history(epochs: int, best: int | None = 0) -> list[dict[str, Any]]:
    rows = [
        {"stage": "head", "epoch": n, "train_loss": 1 / (n + 1), "valid_loss": 1 / (n + 1), "accuracy": n / 10}
        for n in range(epochs)
    ]
    for place, row in enumerate(rows):
        row["best"] = "yes" if place == best else ""
    return rows


@pytest.mark.parametrize(
    ("metric", "value", "top"), [("accuracy", 0.99, 1.005), ("roc_auc", 1.0, 1.005), ("loss", 1.0, 1.055)]
)
def test_an_axis_ends_where_its_figure_can_go_no_further(metric: str, value: float, top: float) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.plot([0, 1], [value, value])
    limit_to_one(axes, metric)
    low, high = axes.get_ylim()
    assert low < value
    assert high == pytest.approx(top)


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_training_is_drawn_for_any_number_of_epochs(tmp_path: Path, epochs: int) -> None:
    plot_training(make_history(epochs), "accuracy", tmp_path / "a.png")
    read(tmp_path / "a.png")


def test_training_marks_the_best_epoch(tmp_path: Path) -> None:
    for name, best in {"none": None, "second": 1}.items():
        plot_training(make_history(3, best), "accuracy", tmp_path / f"{name}.png")
    assert (read(tmp_path / "none.png") != read(tmp_path / "second.png")).any()


def test_training_is_drawn_where_a_figure_is_missing(tmp_path: Path) -> None:
    history = make_history(3)
    history[0]["train_loss"] = math.nan
    plot_training(history, "roc_auc", tmp_path / "a.png")
    read(tmp_path / "a.png")


@pytest.mark.parametrize("count", [2, 31])
def test_confusions_are_drawn_for_any_number_of_classes(tmp_path: Path, count: int) -> None:
    plot_confusion(np.eye(count, dtype=int).tolist(), [f"class {n}" for n in range(count)], tmp_path / "a.png")
    assert max(read(tmp_path / "a.png").shape) < 2500


@pytest.mark.parametrize("name", ["$x^", "a_b%\\", "x" * 300, "猫", "صورة", "🐈", "<b>"])
def test_confusions_are_drawn_with_any_class_names(tmp_path: Path, name: str) -> None:
    plot_confusion([[3, 1], [0, 0]], [name, "b"], tmp_path / "a.png")
    read(tmp_path / "a.png")


@pytest.mark.parametrize(
    "losses", [[1.0, 0.5, 4.0], [1.0, 1.0, 1.0], [0.5, 0.7, 0.9], [1.0, 0.5, math.inf], [1.0, 0.5, math.nan]]
)
def test_the_finders_curve_is_drawn_with_its_suggestions(tmp_path: Path, losses: list[float]) -> None:
    plot_rates([1e-5, 1e-3, 1e-1], losses, {"valley": 1e-3, "steep": 1e-4, "minimum": 1e-2}, tmp_path / "a.png")
    read(tmp_path / "a.png")
