"""The picture of a probe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sightx_cli.report.probe_plot import plot_probe


def make_trial(setting: str, value: str, chosen: bool, metric: str = "roc_auc") -> dict[str, Any]:
    facts = {"setting": setting, "value": value, "metric": metric, "chosen": chosen}
    return facts | {"mean": 0.8, "standard_error": 0.02, "seconds": 1.0}


STAGE = {"stage": "blocks.0", "alone": 0.6, "alone_error": 0.1, "up_to": None, "up_to_error": 0.1}


@pytest.mark.parametrize("depth", [[], [STAGE, {**STAGE, "stage": "last_$output"}]], ids=["whole", "stages"])
@pytest.mark.parametrize("metric", ["roc_auc", "loss"])
def test_it_is_drawn_whatever_was_measured(tmp_path: Path, depth: list[dict[str, Any]], metric: str) -> None:
    trials = [make_trial("image.fit", "pad", True, metric), make_trial("image.fit", "crop", False, metric)]
    trials.append(make_trial("training.class_weights", "none", True, "balanced_accuracy"))
    for number, rows in enumerate((trials, [])):
        plot_probe(rows, depth, metric, tmp_path / f"{number}.png")
        with Image.open(tmp_path / f"{number}.png") as picture:
            assert min(picture.size) > 300
