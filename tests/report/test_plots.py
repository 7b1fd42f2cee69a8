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

from sightx_cli.report.plots import LEAST_SPAN, limit_axis, plot_rates, plot_training


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


def limit(metric: str, *values: float) -> tuple[float, float]:
    """The limits of an axis with these figures."""
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.plot(range(len(values)), values)
    limit_axis(axes, metric)
    low, high = axes.get_ylim()
    assert low <= min(values)
    assert high >= max(values)
    return low, high


@pytest.mark.parametrize(("metric", "value"), [("accuracy", 0.99), ("roc_auc", 1.0), ("quadratic_kappa", 0.995)])
def test_an_axis_ends_where_its_figure_can_go_no_further(metric: str, value: float) -> None:
    assert limit(metric, value, value)[1] == pytest.approx(1.005)


def test_a_few_images_are_no_cliff() -> None:
    low, high = limit("accuracy", 853 / 860, 1.0)
    assert high - low >= LEAST_SPAN - 1e-9
    low, high = limit("accuracy", 0.5, 0.501)
    assert high - low == pytest.approx(LEAST_SPAN)
    assert (low + high) / 2 == pytest.approx(0.5005)


def test_an_axis_of_a_loss_begins_at_nothing() -> None:
    assert limit("loss", 0.5, 0.501)[0] == 0


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


@pytest.mark.parametrize(
    "losses", [[1.0, 0.5, 4.0], [1.0, 1.0, 1.0], [0.5, 0.7, 0.9], [1.0, 0.5, math.inf], [1.0, 0.5, math.nan]]
)
def test_the_finders_curve_is_drawn_with_its_suggestions(tmp_path: Path, losses: list[float]) -> None:
    plot_rates([1e-5, 1e-3, 1e-1], losses, {"valley": 1e-3, "steep": 1e-4, "minimum": 1e-2}, tmp_path / "a.png")
    read(tmp_path / "a.png")
