from __future__ import annotations

import numpy as np
import pytest

from sightx_cli.metrics import intervals as module
from sightx_cli.metrics.answers import check_answers
from sightx_cli.metrics.figures import measure_figures
from sightx_cli.metrics.intervals import Interval, measure_intervals, measure_wilson, resample
from sightx_cli.metrics.registry import METRICS, linearise_roc_auc

GRADES = ("0", "1", "2")
OF_GRADES = [name for name, metric in METRICS.items() if "grades" in metric.kinds]


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
    for name in OF_GRADES:
        interval = intervals[name]
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


@pytest.mark.parametrize("name", OF_GRADES)
def test_a_resample_is_measured_as_the_images_it_stands_for(name: str) -> None:
    scores, truth = make_scores()
    places = np.random.default_rng(3).integers(0, len(truth), len(truth))
    weights = np.bincount(places, minlength=len(truth))[None].astype(float)
    resampled = METRICS[name].resample(check_answers(scores, truth, GRADES), weights)
    assert resampled is not None
    assert resampled[0] == pytest.approx(measure_figures(scores[places], truth[places], GRADES, kind="grades")[name])


def make_patients() -> tuple[np.ndarray, np.ndarray, list[str]]:
    """20 patients of 50 images, each patient with a share right of its own: about 0.7 of all."""
    generator = np.random.default_rng(5)
    truth = np.tile([0, 1], 500)
    right = generator.random(1000) < np.repeat(generator.beta(1.4, 0.6, 20), 50)
    sure = np.where(right, 0.8, 0.2) + generator.normal(0, 0.02, 1000)
    scores = np.where(truth[:, None] == np.arange(2), sure[:, None], 1 - sure[:, None])
    return scores, truth, [f"p{place // 50}" for place in range(1000)]


def width(interval: Interval | None) -> float:
    assert interval is not None
    return interval[1] - interval[0]


def test_images_of_one_patient_are_resampled_together() -> None:
    scores, truth, patients = make_patients()
    by_image = measure_intervals(scores, truth, ("a", "b"), "single-label")
    by_patient = measure_intervals(scores, truth, ("a", "b"), "single-label", patients)
    for name in ("accuracy", "balanced_accuracy", "roc_auc", "loss"):
        assert width(by_patient[name]) > 2.5 * width(by_image[name])


def test_groups_of_one_image_each_change_nothing() -> None:
    scores, truth, _ = make_patients()
    alone = [f"p{place}" for place in range(1000)]
    assert measure_intervals(scores, truth, ("a", "b"), "single-label", alone) == measure_intervals(
        scores, truth, ("a", "b"), "single-label"
    )


@pytest.mark.parametrize("together", [[], [f"p{place // 2}" for place in range(40)]])
def test_all_right_is_never_certain(together: list[str]) -> None:
    truth = np.repeat([0, 1], [30, 10])
    scores = np.where(truth[:, None] == np.arange(2), 0.9, 0.1)
    found = measure_intervals(scores, truth, ("a", "b"), "grades", together)
    units = 40 if not together else 20
    assert found["accuracy"] == measure_wilson(units, units)
    assert found["balanced_accuracy"] == found["roc_auc"] == measure_wilson(units // 4, units // 4)
    assert found["quadratic_kappa"] is None  # its spread is not known
    assert found["loss"] is None


def test_the_linearised_area_is_the_area_and_spreads_as_resamples_do() -> None:
    scores, truth = make_scores(600)
    answers = check_answers(scores, truth, GRADES)
    value, contributions = linearise_roc_auc(answers) or (0.0, np.empty(0))
    assert value == pytest.approx(measure_figures(scores, truth, GRADES, "grades")["roc_auc"])
    assert contributions.sum() == pytest.approx(0, abs=1e-9)
    weights = np.random.default_rng(0).multinomial(600, np.full(600, 1 / 600), 400).astype(float)
    counted = METRICS["roc_auc"].resample(answers, weights)
    assert counted is not None
    linear = value + weights @ contributions
    assert np.corrcoef(counted, linear)[0, 1] > 0.99
    assert linear.std() == pytest.approx(counted.std(), rel=0.05)


def test_many_classes_and_images_are_linearised_and_few_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, truth = make_scores(600)
    answers = check_answers(scores, truth, GRADES)
    exact = measure_intervals(scores, truth, GRADES, "grades")
    monkeypatch.setattr(module, "MAX_WORK", 600 * 3 * 1000 - 1)
    large = measure_intervals(scores, truth, GRADES, "grades")
    assert large["roc_auc"] == pytest.approx(exact["roc_auc"], abs=0.003)
    assert large["roc_auc"] != exact["roc_auc"]
    assert {name: large[name] for name in large if name != "roc_auc"} == {
        name: exact[name] for name in exact if name != "roc_auc"
    }
    monkeypatch.setattr(module, "_BLOCK_WEIGHTS", 600 * 7)  # fewer held at a time, the same ones drawn
    again = resample(answers, np.arange(600), "grades", np.random.default_rng(0), 1000)
    assert module.take_percentiles(again["loss"]) == pytest.approx(exact["loss"])


def test_with_many_classes_no_resample_ranks_them_all_anew() -> None:
    classes, images = 300, 3_000
    generator = np.random.default_rng(0)
    truth = np.arange(images) % classes
    scores = generator.random((images, classes))
    scores /= scores.sum(1, keepdims=True)
    answers = check_answers(scores, truth, [str(place) for place in range(classes)])
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sightx_cli.metrics.registry.weigh_area", count)
        resample(answers, np.arange(images), "single-label", generator, 1000)
    assert calls == 0


def test_what_bounds_the_work_is_said() -> None:
    assert module.describe_bounds(2_000, 10) == ""
    assert module.describe_bounds(50_000, 1_000) == (
        "95 % intervals of 50,000 images in 1,000 classes: that of ROC AUC is linearised (DeLong)"
    )
    assert module.describe_bounds(400_000, 2).endswith("linearised (DeLong), 500 resamples and not 1,000")
