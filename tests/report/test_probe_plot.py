"""The picture of a probe."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from sightx_cli.report.probe_plot import plot_probe
from sightx_cli.results.probe import StageFigure, Trial


def make_trial(setting: str, value: str, chosen: bool, metric: str = "roc_auc") -> Trial:
    return Trial(setting, value, metric, 0.8, 0.02, 1.0, chosen=chosen)


STAGES = (StageFigure("blocks.0", 0.6, 0.1, None, 0.1), StageFigure("last_$output", 0.6, 0.1, None, 0.1))


@pytest.mark.parametrize("depth", [(), STAGES], ids=["whole", "stages"])
@pytest.mark.parametrize("metric", ["roc_auc", "loss"])
def test_it_is_drawn_whatever_was_measured(tmp_path: Path, depth: tuple[StageFigure, ...], metric: str) -> None:
    trials = [make_trial("image.fit", "pad", True, metric), make_trial("image.fit", "crop", False, metric)]
    trials.append(make_trial("training.class_weights", "none", True, "balanced_accuracy"))
    for number, rows in enumerate((trials, [])):
        plot_probe(rows, depth, metric, tmp_path / f"{number}.png")
        with Image.open(tmp_path / f"{number}.png") as picture:
            assert min(picture.size) > 300
