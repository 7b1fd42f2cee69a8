"""The simplest choice that is no worse than the best is taken, and the quick head ranks as the slow one does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from sightx_cli.model.backbone import Backbone, build_network
from sightx_cli.model.combined_backbone import assemble_backbone
from sightx_cli.probe.folds import assign_folds, cross_validate
from sightx_cli.probe.trials import (
    Trial,
    choose_probe_metric,
    choose_simplest,
    choose_weights_metric,
    compare_losses,
    join_features,
    list_sizes,
    list_taps,
    measure_head,
    sample_images,
    select_taps,
)
from sightx_cli.task.single_label import SingleLabel

TASK = SingleLabel(("a", "b"))


def make_trials(
    *rows: tuple[str, float, float], metric: str = "accuracy", **behind: tuple[float, float]
) -> list[Trial]:
    """Trials of (value, mean, standard error); `behind` names (difference, error) of the log loss by value."""
    return [
        Trial("s", value, metric, mean, error, 1.0, *(behind.get(value) or (None, None))) for value, mean, error in rows
    ]


def take(trials: list[Trial], own: str) -> str:
    chosen = [trial.value for trial in choose_simplest(trials, own) if trial.chosen]
    assert len(chosen) == 1
    return chosen[0]


@pytest.mark.parametrize(
    ("means", "taken"), [((0.80, 0.82, 0.83), "a"), ((0.70, 0.801, 0.83), "b"), ((0.7, 0.72, 0.83), "c")]
)
def test_the_simplest_within_one_standard_error_of_the_best_is_taken(means: tuple[float, ...], taken: str) -> None:
    trials = make_trials(*((name, mean, 0.03) for name, mean in zip("abc", means, strict=True)))
    assert take(trials, "a") == taken


def test_of_a_loss_the_lowest_is_the_best() -> None:
    assert take(make_trials(("a", 0.9, 0.02), ("b", 0.5, 0.02), metric="loss"), "a") == "b"
    assert take(make_trials(("a", 0.51, 0.02), ("b", 0.5, 0.02), metric="loss"), "a") == "a"


@pytest.mark.parametrize(
    ("own", "behind", "taken"),
    [("b", 0.0, "a"), ("b", 0.1, "b"), ("a", 1.5, "a"), ("a", 2.5, "b")],
    ids=["even", "behind", "the table's own may be a little behind", "not far"],
)
def test_what_falls_behind_in_log_loss_is_no_tie(own: str, behind: float, taken: str) -> None:
    trials = make_trials(("a", 0.81, 0.03), ("b", 0.81, 0.03), a=(behind * 0.02, 0.02), b=(0.0, 0.01))
    assert take(trials, own) == taken


@pytest.mark.parametrize(("simple", "taken"), [(0.79, "b"), (0.80, "a")])
def test_a_simpler_value_takes_the_tables_place_only_where_it_is_no_worse(simple: float, taken: str) -> None:
    assert take(make_trials(("a", simple, 0.03), ("b", 0.80, 0.03), ("c", 0.81, 0.03)), "b") == taken


def test_losses_are_compared_image_by_image_and_groups_count_once() -> None:
    trials = make_trials(("a", 0.8, 0.1), ("b", 0.8, 0.1))
    generator = np.random.default_rng(0)
    hard = generator.exponential(size=50).repeat(4)
    better = hard + np.repeat(generator.normal(0.1, 0.2, 50), 4)
    alone = compare_losses(trials, [better, hard], [""] * 200)
    grouped = compare_losses(trials, [better, hard], [f"p{n // 4}" for n in range(200)])
    assert alone[0].log_loss_behind == grouped[0].log_loss_behind == pytest.approx(float((better - hard).mean()))
    assert alone[1].log_loss_behind == 0.0
    assert alone[0].log_loss_error is not None
    assert grouped[0].log_loss_error == pytest.approx(2 * alone[0].log_loss_error, rel=0.05)  # √4 images a group


@pytest.mark.parametrize(
    ("metric", "figure", "used"),
    [
        ("roc_auc", 0.9, "roc_auc"),
        ("roc_auc", 0.995, "loss"),
        ("accuracy", 0.99, "loss"),
        ("roc_auc", None, "loss"),
        ("loss", 2.0, "loss"),
    ],
)
def test_a_saturated_figure_gives_way_to_the_log_loss(metric: str, figure: float | None, used: str) -> None:
    assert choose_probe_metric(metric, {metric: figure}) == used


def test_class_weights_are_judged_by_decisions() -> None:
    assert choose_weights_metric("roc_auc", TASK) == choose_weights_metric("loss", TASK) == "balanced_accuracy"
    assert choose_weights_metric("quadratic_kappa", TASK) == "quadratic_kappa"


@pytest.mark.parametrize(
    ("size_px", "side_px", "images", "sizes"),
    [
        (224, 249, 300, [224]),
        (224, 250, 300, [224, 300]),
        (224, 600, 49_999, [224, 300]),
        (224, 600, 50_000, [224]),
        (260, 267, 300, [260, 320]),
        (300, 319, 300, [300]),
        (300, 320, 300, [300, 384]),
        (320, 900, 300, [320, 384]),
        (384, 900, 300, [384]),
        (96, 133, 300, [96]),
        (96, 134, 300, [96, 160]),
    ],
)
def test_a_larger_input_is_tried_where_there_is_detail_for_it(
    size_px: int, side_px: int, images: int, sizes: list[int]
) -> None:
    assert list_sizes(size_px, side_px, images) == sizes


@pytest.mark.parametrize(
    ("size_px", "side_px", "images", "sizes"),
    [
        (260, 195, 300, [260]),
        (260, 194, 300, [224, 260]),
        (260, 32, 50_000, [160, 260]),
        (160, 32, 300, [160]),
        (64, 20, 300, [64]),
    ],
)
def test_a_smaller_input_is_tried_where_the_images_are_smaller_still(
    size_px: int, side_px: int, images: int, sizes: list[int]
) -> None:
    assert list_sizes(size_px, side_px, images) == sizes


def test_taps_are_columns_of_all_taps_and_the_recipes_own_come_first() -> None:
    features = np.arange(12, dtype=np.float32).reshape(2, 6)
    widths = (1, 2, 1, 2)
    assert select_taps(features, widths, "last")[0].tolist() == [4, 5]
    assert select_taps(features, widths, "last:3")[0].tolist() == [1, 2, 3, 4, 5]
    assert select_taps(features, widths, "all")[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert list_taps("last", 8) == ["last", "last:3", "all"]
    assert list_taps("all", 8) == ["all", "last", "last:3"]
    assert list_taps("last:2", 8) == ["last:2", "last", "last:3", "all"]
    assert list_taps("last", 2) == ["last", "all"]


@pytest.mark.parametrize("names", ["mini_resnet+mini_separable", "test_resnet+test_efficientnet"])
def test_features_of_networks_joined_are_those_that_the_networks_side_by_side_give(names: str) -> None:
    torch.manual_seed(0)
    network = build_network(names, 32)
    for one in network.members:
        one.train()(torch.randn(8, 3, 32, 32))  # statistics of their own, so that nothing fades
    images = torch.randn(2, 3, 32, 32)
    parts = []
    for number, one in enumerate(network.members):
        alone = Backbone(one, "all", size_px=32).eval()
        with torch.no_grad():
            parts.append((alone(network.normalise(images, number)).numpy(), alone.widths))
    rows, widths = join_features(parts)
    assert tuple(widths) == assemble_backbone(network, "all", "avg", 32).widths
    for taps in ("last", "last:3", "all"):
        with torch.no_grad():
            whole = assemble_backbone(network, taps, "avg", 32).eval()(images).numpy()
        np.testing.assert_allclose(select_taps(rows, widths, taps), whole, rtol=1e-4, atol=1e-5)


def test_the_features_of_one_network_joined_are_its_own() -> None:
    features = np.arange(12, dtype=np.float32).reshape(2, 6)
    rows, widths = join_features([(features, (1, 2, 3))])
    assert rows.tolist() == features.tolist()
    assert widths == [1, 2, 3]


def test_a_sample_keeps_the_shares_of_the_classes() -> None:
    targets = np.repeat([0, 1, 2], [3_000, 1_000, 10])
    places = sample_images(targets, 400, 0)
    assert np.bincount(targets[places]).tolist() == [299, 100, 2]
    assert sample_images(targets, 5_000, 0).tolist() == list(range(4_010))
    assert sample_images(targets, 400, 0).tolist() == places.tolist()


@pytest.mark.parametrize("classes", [2, 5])
def test_the_quick_head_says_what_the_slow_one_says(classes: int) -> None:
    known = load_digits()
    rows = np.flatnonzero(known.target < classes)[:200]
    features: Any = known.data[rows].astype(np.float32)
    features += np.random.default_rng(0).normal(scale=8, size=features.shape).astype(np.float32)
    targets, alone = known.target[rows].astype(np.int64), [""] * 200
    fold_of = assign_folds(targets, alone, 5, 0)
    names = tuple(map(str, range(classes)))
    quick = measure_head(features, targets, fold_of, SingleLabel(names), True, alone)
    slow = cross_validate(features, targets, fold_of, SingleLabel(names), True, alone)
    assert quick.figures.metrics["accuracy"] == pytest.approx(slow.figures.metrics["accuracy"], abs=0.03)
    assert quick.figures.metrics["loss"] == pytest.approx(slow.figures.metrics["loss"], abs=0.08)
