"""A learning curve holds the truth of planted sets, and its parts are nested, fair and never split a group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sightx_cli.metrics.registry import ACCURACY, LOSS, METRICS
from sightx_cli.probe.curve_figures import MeasuredCurve, measure_curve
from sightx_cli.probe.curve_verdict import FLAT, HELPS, UNCLEAR, find_class_gain, judge_curve
from sightx_cli.probe.folds import assign_folds
from sightx_cli.probe.learning_curve import DRAWS, SHARES, learn_shares, measure_blind, order_nested, take_share
from sightx_cli.task.grades import Grades
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.stratification import number_together
from sightx_cli.task.task import Task

THREE = SingleLabel(("ash", "beech", "oak"))


def plant(
    images: int, features: int, apart: float, seed: int, weights: Sequence[float] = (1, 1, 1)
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Three Gaussians around fixed middles: features (N, F), and the class of each image (N,)."""
    middles = np.random.default_rng(99).normal(size=(3, features)) * apart / np.sqrt(features)
    random = np.random.default_rng(seed)
    targets = random.choice(3, images, p=np.array(weights) / sum(weights))
    return (middles[targets] + random.normal(size=(images, features))).astype(np.float32), targets


def measure(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    task: Task = THREE,
    metric: str = "accuracy",
    together: Sequence[str] = (),
    balanced: bool = False,
) -> MeasuredCurve:
    together = together or [""] * len(targets)
    strata: Any = targets if targets.ndim == 2 else [str(target) for target in targets]
    fold_of = assign_folds(strata, together, 5, 0)
    shares = learn_shares(features, targets, fold_of, together, task, balanced)
    curve = measure_curve(METRICS[metric], shares, fold_of, together)
    assert curve is not None
    return curve


@pytest.fixture(scope="module")
def many_curves() -> dict[str, list[MeasuredCurve]]:
    """Curves of three figures, of each of 20 sets that differ by chance alone."""
    found: dict[str, list[MeasuredCurve]] = {"accuracy": [], "loss": [], "roc_auc": []}
    for seed in range(20):
        features, targets = plant(300, 40, 2.0, seed)
        fold_of = assign_folds([str(target) for target in targets], [""] * 300, 5, 0)
        shares = learn_shares(features, targets, fold_of, [""] * 300, THREE, False)
        for metric, curves in found.items():
            curve = measure_curve(METRICS[metric], shares, fold_of, [""] * 300)
            assert curve is not None
            curves.append(curve)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["accuracy", "loss", "roc_auc"])
def test_the_band_holds_what_many_other_sets_of_the_kind_give(
    many_curves: dict[str, list[MeasuredCurve]], metric: str
) -> None:
    curves = many_curves[metric]
    truth = np.mean([curve.means for curve in curves], axis=0)
    held = [
        [point.low <= true <= point.high for point, true in zip(curve.points, truth, strict=True)] for curve in curves
    ]
    assert np.mean(held) >= 0.9
    steps = [curve.measure_gain(3, 4) for curve in curves]
    true_step = np.mean([step.mean for step in steps])
    assert np.mean([step.low <= true_step <= step.high for step in steps]) >= 0.9


@pytest.mark.slow
def test_what_twice_the_images_bring_lies_in_the_range_foreseen(many_curves: dict[str, list[MeasuredCurve]]) -> None:
    more, less = ([measure(*plant(size, 40, 2.0, seed)).means[-1] for seed in range(8)] for size in (750, 375))
    brought = np.mean(more) - np.mean(less)
    ranges = [curve.foresee_gain(300, 600) for curve in many_curves["accuracy"]]
    assert np.mean([one.low <= brought <= one.high for one in ranges]) >= 0.9


def test_a_curve_that_rises_says_that_more_images_help() -> None:
    found = judge_curve(measure(*plant(2_000, 300, 2.0, 1)), 2_000)
    assert found.verdict == HELPS
    assert found.doubling is not None
    assert (found.doubling.from_images, found.doubling.to_images) == (2_000, 4_000)
    assert 0 < found.doubling.low < found.doubling.mean < found.doubling.high
    assert "Twice the 2,000 training images might raise it by about" in found.sentence
    assert "too hopeful" in found.sentence


def test_a_rise_that_cannot_be_gone_on_with_is_said_without_a_promise() -> None:
    found = judge_curve(measure(*plant(500, 200, 2.5, 1)), 500)
    assert (found.verdict, found.doubling, found.foreseen) == (HELPS, None, None)
    assert "more images are likely to help; by how much, these images cannot tell" in found.sentence


def test_a_curve_that_is_flat_sends_elsewhere() -> None:
    found = judge_curve(measure(*plant(3_000, 8, 2.5, 1)), 3_000)
    assert found.verdict == FLAT
    assert "hardly help" in found.sentence
    assert "better labels" in found.sentence


def test_where_nothing_is_left_to_gain_nothing_is_advised() -> None:
    found = judge_curve(measure(*plant(1_000, 20, 12.0, 1), metric="loss"), 1_000, is_saturated=True)
    assert found.verdict == FLAT
    assert found.sentence.endswith("more images of the same kind would hardly help.")


def test_labels_by_chance_are_neither_promised_anything_nor_called_flat() -> None:
    features, targets = plant(200, 30, 2.0, 1)
    shuffled = np.random.default_rng(7).permutation(targets)
    found = judge_curve(measure(features, shuffled), 200, measure_blind(ACCURACY, THREE, shuffled))
    assert (found.verdict, found.doubling) == (UNCLEAR, None)
    assert "no more than chance gives" in found.sentence


def test_a_rare_class_of_a_few_images_leaves_it_open() -> None:
    """Whichever heads find its three images: points that decide alike by chance are not known to the last digit."""
    features, targets = plant(123, 20, 4.0, 1, (1, 1, 0))
    targets[:3] = 2
    curve = measure(features, targets, metric="balanced_accuracy")
    assert all(curve.measure_gain(first, 4).high > curve.measure_gain(first, 4).low + 0.1 for first in range(4))
    assert judge_curve(curve, 123).verdict != FLAT


def test_what_knows_nothing_of_the_images_is_worth_what_chance_is() -> None:
    targets = np.array([0] * 60 + [1] * 30 + [2] * 10)
    assert measure_blind(ACCURACY, THREE, targets) == pytest.approx(0.6)
    assert measure_blind(METRICS["balanced_accuracy"], THREE, targets) == pytest.approx(1 / 3)
    assert measure_blind(METRICS["roc_auc"], THREE, targets) == pytest.approx(0.5)
    labels = np.stack([targets == 0, targets > 0], axis=1).astype(np.int64)
    found = measure_blind(METRICS["mean_average_precision"], MultiLabel(("a", "b")), labels)
    assert found == pytest.approx(0.5)


def test_few_images_are_called_unclear_and_not_flat() -> None:
    found = judge_curve(measure(*plant(70, 10, 1.5, 3)), 70)
    assert found.verdict == UNCLEAR
    assert "hardly" not in found.sentence


def test_a_loss_that_falls_is_a_gain() -> None:
    curve = measure(*plant(1_000, 300, 3.0, 1), metric="loss")
    step = judge_curve(curve, 1_000)
    assert curve.means[-1] < curve.means[0]
    assert step.last_step.mean > 0
    assert "log loss fell by" in step.sentence
    assert "might lower it" in step.sentence
    assert step.foreseen is not None
    assert step.foreseen.low < step.foreseen.mean < curve.means[-1]


def test_far_more_images_than_the_curve_reaches_are_not_spoken_of() -> None:
    found = judge_curve(measure(*plant(300, 40, 2.0, 1)), 60_000)
    assert found.doubling is None
    assert "60,000" in found.sentence


def test_any_first_part_holds_each_class_in_its_share_and_no_group_in_part() -> None:
    random = np.random.default_rng(0)
    targets = np.repeat(random.choice(3, 200, p=[0.7, 0.2, 0.1]), 5)
    together = [f"patient {place // 5}" for place in range(len(targets))]
    order = order_nested(THREE, targets, together, 3)
    assert sorted(order.tolist()) == list(range(1_000))
    units, shares = number_together(together), np.bincount(targets) / len(targets)
    earlier: set[int] = set()
    for share in SHARES:
        part = take_share(order, units, share)
        assert abs(len(part) - share * 1_000) <= 5
        assert np.abs(np.bincount(targets[part], minlength=3) / len(part) - shares).max() < 0.03
        assert earlier <= set(part.tolist())
        earlier = set(part.tolist())
        sizes = np.bincount(units[part], minlength=200)
        assert set(sizes.tolist()) <= {0, 5}


def test_a_class_of_one_image_is_in_the_first_part() -> None:
    targets = np.array([0] * 99 + [1])
    assert 99 in order_nested(SingleLabel(("a", "b")), targets, [""] * 100, 0)[:2]


def test_a_rare_label_is_in_the_first_part_with_and_without() -> None:
    labels = np.zeros((60, 3), np.int64)
    labels[:, 0], labels[7, 2], labels[30:, 1] = 1, 1, 1
    labels[11, 0] = 0
    first = order_nested(MultiLabel(("a", "b", "c")), labels, [""] * 60, 0)[:5]
    assert {7, 11} <= set(first.tolist())


def test_no_image_is_predicted_by_a_head_that_saw_its_group() -> None:
    """Features that name the patient and labels by patient: a head that saw the patient would be right."""
    random = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 6)
    features = np.eye(40, dtype=np.float32)[patients] + 0.01 * random.normal(size=(240, 40)).astype(np.float32)
    targets = random.choice(3, 40)[patients]
    curve = measure(features, targets, together=[f"p{number}" for number in patients])
    assert curve.points[-1].mean < 0.6


@pytest.mark.parametrize("kind", ["grades", "labels", "unequal"])
def test_every_kind_of_label_has_its_curve(kind: str) -> None:
    features, targets = plant(400, 30, 2.5, 5, (1, 1, 1) if kind != "unequal" else (20, 3, 1))
    if kind == "grades":
        curve = measure(features, targets, Grades(("0", "1", "2")), "quadratic_kappa")
    elif kind == "labels":
        labels = np.stack([targets == 0, targets >= 1, features[:, 0] > 0], axis=1).astype(np.int64)
        curve = measure(features, labels, MultiLabel(("a", "b", "c")), "mean_average_precision")
    else:
        curve = measure(features, targets, THREE, "balanced_accuracy", balanced=True)
    assert len(curve.points) == len(SHARES) == len(DRAWS)
    assert curve.points[-1].mean > curve.points[0].mean
    assert all(point.low < point.mean < point.high for point in curve.points)


def test_the_class_that_gains_is_named_and_a_gain_by_chance_is_not() -> None:
    """One class that ten features tell at once, and two that only many images tell apart."""
    random = np.random.default_rng(0)
    targets = random.choice(3, 900)
    features = random.normal(size=(900, 200)).astype(np.float32)
    features[:, :10] += 8.0 * (targets == 0)[:, None]
    features[:, 10:] += 2.5 * np.outer(targets == 2, random.normal(size=190) / np.sqrt(190))
    task, together = THREE, [""] * 900
    fold_of = assign_folds([str(target) for target in targets], together, 5, 0)
    shares = learn_shares(features, targets, fold_of, together, task, False)
    found = find_class_gain(task, shares, targets, together)
    assert found is not None
    assert found.label in ("beech", "oak")
    assert found.after > found.before
    by_chance = random.permutation(targets)
    shares = learn_shares(features, by_chance, fold_of, together, task, False)
    assert find_class_gain(task, shares, by_chance, together) is None


def test_the_same_seed_gives_the_same_curve() -> None:
    first, second = (measure(*plant(150, 10, 2.0, 1)) for _ in range(2))
    assert first.points == second.points


def test_a_figure_that_a_share_lacks_has_no_curve() -> None:
    features, targets = plant(150, 10, 2.0, 1)
    four = SingleLabel(("ash", "beech", "oak", "yew"))  # of which there is no image: nothing can be ranked
    fold_of = assign_folds([str(target) for target in targets], [""] * 150, 5, 0)
    shares = learn_shares(features, targets, fold_of, [""] * 150, four, False)
    assert measure_curve(METRICS["roc_auc"], shares, fold_of, [""] * 150) is None
    assert measure_curve(ACCURACY, shares, fold_of, [""] * 150) is not None
    assert measure_curve(LOSS, shares, fold_of, [""] * 150) is not None
