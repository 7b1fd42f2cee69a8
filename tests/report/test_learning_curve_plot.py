"""The picture of a learning curve, with and without what it goes on to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sightx_cli.report.learning_curve_plot import plot_learning_curve
from sightx_cli.results.learning_curve import CurvePoint, LearningCurve

POINTS = tuple(CurvePoint(100 * place, place / 5, 0.6 + 0.05 * place, 0.5, 0.9) for place in range(1, 6))
CURVE = LearningCurve("accuracy", 625, POINTS, None, None, None, "unclear", None, "From …")


@pytest.mark.parametrize("metric", ["accuracy", "loss", "quadratic_kappa"])
@pytest.mark.parametrize("foreseen", [None, CurvePoint(1_250, 2.5, 0.9, 0.8, 0.95)], ids=["open", "foreseen"])
def test_it_is_drawn_whatever_is_known(tmp_path: Path, metric: str, foreseen: CurvePoint | None) -> None:
    plot_learning_curve(replace(CURVE, metric=metric, foreseen=foreseen), tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as picture:
        assert min(picture.size) > 300
