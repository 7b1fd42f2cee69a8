"""The page of a comparison: each difference is drawn on a scale that suits its figure, and says which."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sightx_cli.metrics.answers import Answers
from sightx_cli.metrics.paired import compare_answers
from sightx_cli.metrics.registry import METRICS
from sightx_cli.report.comparison_page import measure_scales, name_scale, round_up, write_comparison
from sightx_cli.results.compare import ComparedModel, ComparedPair, CompareResult
from sightx_cli.task.single_label import SingleLabel

KIND = SingleLabel(("a", "b")).kind
BAR = re.compile(
    r'x1="(?P<zero>[\d.]+)" x2="(?P=zero)" y1="0".*?x1="(?P<low>[-\d.]+)" x2="(?P<high>[-\d.]+)" y1="9".*?'
    r'text-anchor="end">-(?P<least>[\d.]+)<.*?>\+(?P<most>[\d.]+)</text>'
)


def answer(sureness: float, seed: int) -> Answers:
    """Answers of a model for the same 200 images, the surer the further its probabilities are from one half."""
    draw, truth = np.random.default_rng(seed), np.arange(200) % 2
    logit = sureness * (2 * truth - 1 + draw.normal(0, 1.2, 200))
    positive = (1 / (1 + np.exp(-logit))).astype(np.float32)
    return SingleLabel(("a", "b")).check_answers(np.stack([1 - positive, positive], axis=1), truth)


@pytest.fixture
def result() -> CompareResult:
    """Two models against a first one; the calibration of the last is far off."""
    answers = [answer(1.0, 0), answer(1.1, 1), answer(0.05, 2)]
    models = []
    for place, one in enumerate(answers):
        pair = ComparedPair(compare_answers(answers[0], one, KIND), None) if place else None
        figures = {name: metric.measure(one) for name, metric in METRICS.items() if KIND in metric.kinds}
        folder = Path(f"run{place}")
        models.append(ComparedModel(folder, folder, figures, dict.fromkeys(figures), pair))
    return CompareResult("valid", 200, "images", KIND, tuple(models))


def test_a_wide_interval_does_not_make_dots_of_the_others(result: CompareResult, tmp_path: Path) -> None:
    write_comparison(result, ["", ""], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    bars = [found.groupdict() for found in BAR.finditer(page)]
    pairs = [model.against_first for model in result.models if model.against_first is not None]
    drawn = [(name, one) for pair in pairs for name, one in pair.differences.items()]
    assert len(bars) == len(drawn)
    assert len({bar["zero"] for bar in bars}) == 1
    slope = max(abs(end) for name, one in drawn for end in one.interval if name == "calibration_slope")
    accuracy = max(abs(end) for name, one in drawn for end in one.interval if name == "accuracy")
    assert slope > 20 * accuracy  # else there is nothing to see
    for bar, (name, one) in zip(bars, drawn, strict=True):
        zero, low, high = float(bar["zero"]), float(bar["low"]), float(bar["high"])
        assert bar["least"] == bar["most"]
        assert (low - zero) * one.interval[0] >= 0 <= (high - zero) * one.interval[1]
        if name == "accuracy":
            assert high - low > 8  # more than the dot


def test_a_scale_is_shared_by_figures_of_one_unit_and_by_all_models(result: CompareResult) -> None:
    scales = measure_scales(result)
    assert set(scales) == {"bounded", "loss", "calibration_slope", "calibration_intercept"}
    for model in result.models[1:]:
        assert model.against_first is not None
        for name, one in model.against_first.differences.items():
            assert max(map(abs, one.interval)) <= scales[name_scale(name)]
    assert {name_scale(name) for name in ("accuracy", "matthews", "brier", "calibration_error", "hamming_loss")} == {
        "bounded"
    }


@pytest.mark.parametrize(
    ("reach", "end"), [(0.0, 1), (0.513, 0.6), (0.6, 0.6), (0.95, 1), (4.2, 5), (0.0031, 0.004), (17, 20), (1.0, 1)]
)
def test_a_scale_ends_at_a_number_read_at_a_glance(reach: float, end: float) -> None:
    assert round_up(reach) == end
