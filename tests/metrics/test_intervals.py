from __future__ import annotations

import numpy as np
import pytest

from sightx_cli.metrics.answers import check_answers
from sightx_cli.metrics.figures import measure_figures
from sightx_cli.metrics.intervals import measure_intervals, measure_wilson
from sightx_cli.metrics.registry import METRICS

GRADES = ("0", "1", "2")


def make_scores(images: int = 150, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    scores = generator.dirichlet(np.ones(3), images).round(1)  # rounded: ties
    guessed = generator.random(images) < 0.5
    return scores, np.where(guessed, scores.argmax(axis=1), generator.integers(0, 3, images))


def test_wilson_gives_the_published_interval() -> None:
    assert measure_wilson(146, 153) == pytest.approx((0.909, 0.978), abs=6e-4)
    assert measure_wilson(5, 5)[1] == 1.0
    assert measure_wilson(0, 5)[0] == 0.0


def test_every_interval_holds_its_figure() -> None:
    scores, truth = make_scores()
    figures = measure_figures(scores, truth, GRADES, kind="grades")
    intervals = measure_intervals(scores, truth, GRADES, kind="grades")
    assert list(intervals) == list(figures)
    for name, interval in intervals.items():
        assert interval is not None
        assert interval[0] < figures[name] < interval[1]


def test_more_images_give_narrower_intervals() -> None:
    widths = []
    for images in (60, 600):
        low, high = measure_intervals(*make_scores(images), GRADES, kind="grades")["quadratic_kappa"] or (0, 0)
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_the_same_seed_gives_the_same_intervals() -> None:
    scores, truth = make_scores()
    first, again, other = (measure_intervals(scores, truth, GRADES, "grades", seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_what_has_no_figure_has_no_interval() -> None:
    scores, truth = make_scores()
    some = truth < 2
    intervals = measure_intervals(scores[some], truth[some], GRADES, kind="single-label")
    assert intervals["roc_auc"] is None
    assert intervals["quadratic_kappa"] is None
    assert intervals["balanced_accuracy"] is not None


@pytest.mark.parametrize("name", METRICS)
def test_a_resample_is_measured_as_the_images_it_stands_for(name: str) -> None:
    scores, truth = make_scores()
    places = np.random.default_rng(3).integers(0, len(truth), len(truth))
    weights = np.bincount(places, minlength=len(truth))[None].astype(float)
    resampled = METRICS[name].resample(check_answers(scores, truth, GRADES), weights)
    assert resampled is not None
    assert resampled[0] == pytest.approx(measure_figures(scores[places], truth[places], GRADES, kind="grades")[name])
