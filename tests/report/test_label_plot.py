"""The picture of labels is drawn for any number of them, whatever they are called and whatever a part lacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightx_cli.report.label_plot import plot_labels
from sightx_cli.task.multilabel import MultiLabel


@pytest.mark.parametrize("count", [2, 14, 60])
def test_labels_are_drawn_for_any_number_of_them(tmp_path: Path, count: int) -> None:
    task, chance = MultiLabel(tuple(f"label {n}" for n in range(count))), np.random.default_rng(0)
    targets = (chance.random((40, count)) < 0.2).astype(np.int64)
    plot_labels(task.measure_classes(chance.random((40, count)), targets).classes, tmp_path / "labels.png")
    with Image.open(tmp_path / "labels.png") as picture:
        assert picture.width > 800
        assert picture.height < 4_000


@pytest.mark.parametrize("name", ["犬", "$x_1$", "a" * 60, "🐝"])
def test_labels_are_drawn_with_any_names_and_without_images(tmp_path: Path, name: str) -> None:
    task = MultiLabel((name, "b"))
    report = task.measure_classes(np.full((4, 2), 0.4), np.array([[0, 1]] * 4))
    plot_labels(report.classes, tmp_path / "labels.png")
    assert (tmp_path / "labels.png").stat().st_size > 1_000
