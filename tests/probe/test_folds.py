"""Cross-validation predicts every image by a head that never saw it, nor anything that belongs to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from sightx_cli.errors import UsageError
from sightx_cli.probe.folds import (
    assign_folds,
    choose_fold_count,
    cross_validate,
    measure_folds,
    shrink_folds,
)
from sightx_cli.task.grades import Grades
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel

TWO = SingleLabel(("a", "b"))


def load(classes: int = 3, images: int = 150) -> tuple[Any, Any]:
    known = load_digits()
    rows = np.flatnonzero(known.target < classes)[:images]
    return known.data[rows].astype(np.float32), known.target[rows].astype(np.int64)


# --- how many folds ---


@pytest.mark.parametrize(
    ("images", "given_valid", "folds"), [(999, False, 5), (1_000, False, 0), (999, True, 0), (10, False, 5)]
)
def test_few_images_without_a_valid_part_are_cross_validated_by_default(
    images: int, given_valid: bool, folds: int
) -> None:
    labels = ["ab"[place % 2] for place in range(images)]
    assert choose_fold_count(None, labels, [""] * images, given_valid) == folds
    assert choose_fold_count(0, labels, [""] * images, given_valid) == 0
    assert choose_fold_count(2, labels, [""] * images, given_valid) == 2


@pytest.mark.parametrize(("rarest", "folds"), [(2, 2), (4, 4), (5, 5), (6, 5)])
def test_the_default_shrinks_to_the_smallest_class(rarest: int, folds: int) -> None:
    labels = ["a"] * 20 + ["b"] * rarest
    assert choose_fold_count(None, labels, [""] * len(labels), False) == folds


def test_the_default_shrinks_to_the_groups_of_a_class() -> None:
    labels, groups = ["a"] * 12 + ["b"] * 12, [f"p{n // 4}" for n in range(24)]
    assert shrink_folds(5, labels, groups) == 3
    assert shrink_folds(5, labels, ["one"] * 24) == 0


@pytest.mark.parametrize(
    ("asked", "groups", "words"),
    [(1, 0, "0 .none. and 2 or more"), (-1, 0, "2 or more"), (5, 0, "class 'b' has 4"), (4, 3, "only 3 groups")],
)
def test_folds_that_cannot_be_are_refused(asked: int, groups: int, words: str) -> None:
    labels = ["a"] * 20 + ["b"] * 4
    together = [f"p{n % groups}" if groups else "" for n in range(24)]
    with pytest.raises(UsageError, match=words):
        choose_fold_count(asked, labels, together, False)


# --- which fold ---


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["", "p", "q", "r", "s"])), min_size=20), st.integers(2, 5)
)
@settings(max_examples=40, deadline=None)
def test_what_belongs_together_lies_in_one_fold(rows: list[tuple[int, str]], folds: int) -> None:
    targets, groups = np.array([row[0] for row in rows]), [row[1] for row in rows]
    if len({group or n for n, group in enumerate(groups)}) < folds or np.bincount(targets).max() < folds:
        return
    fold_of = assign_folds(targets, groups, folds, 0)
    assert set(fold_of) <= set(range(1, folds + 1))
    for group in set(groups) - {""}:
        assert len({fold for fold, name in zip(fold_of, groups, strict=True) if name == group}) == 1


def test_every_fold_has_its_share_of_every_class() -> None:
    _, targets = load()
    fold_of = assign_folds(targets, [""] * len(targets), 5, 0)
    counts = [np.bincount(targets[fold_of == fold]) for fold in range(1, 6)]
    assert (np.ptp(counts, axis=0) <= 1).all()


# --- what comes out ---


def test_digits_are_told_apart_out_of_fold_and_the_mean_is_that_of_the_folds() -> None:
    (features, targets), task = load(), SingleLabel(("0", "1", "2"))
    fold_of = assign_folds(targets, [""] * len(targets), 4, 0)
    found = cross_validate(features, targets, fold_of, task, True, [""] * len(targets))
    assert found.figures.folds == 4
    assert found.figures.metrics["accuracy"] is not None
    assert found.figures.metrics["accuracy"] > 0.97
    by_fold = [
        task.measure_figures(found.probabilities[fold_of == f], targets[fold_of == f])["accuracy"] for f in range(1, 5)
    ]
    assert found.figures.metrics["accuracy"] == pytest.approx(
        np.mean([value for value in by_fold if value is not None])
    )
    assert found.figures.metrics["quadratic_kappa"] is None
    assert found.figures.intervals["quadratic_kappa"] is None
    for name in ("accuracy", "balanced_accuracy", "roc_auc", "loss"):
        interval, mean = found.figures.intervals[name], found.figures.metrics[name]
        assert interval is not None
        assert mean is not None
        assert interval[0] - 1e-9 <= mean <= interval[1] + 1e-9


def test_noise_is_not_told_apart_where_a_patient_lies_in_one_fold() -> None:
    generator = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 4)
    features = (generator.normal(size=(40, 60))[patients] + 0.1 * generator.normal(size=(160, 60))).astype(np.float32)
    targets, names = patients % 2, [f"p{number}" for number in patients]
    accuracy = {}
    for groups in ([""] * 160, names):
        fold_of = assign_folds(targets, groups, 5, 0)
        found = cross_validate(features, targets, fold_of, TWO, False, groups)
        accuracy[bool(groups[0])] = found.figures.metrics["accuracy"] or 0.0
    assert accuracy[False] > 0.9  # each patient on both sides: recognised, not understood
    assert accuracy[True] < 0.7


def test_images_of_a_patient_are_no_independent_evidence() -> None:
    targets = np.arange(60).repeat(4) % 2
    sure = np.random.default_rng(0).uniform(0.2, 0.9, 60).repeat(4).astype(np.float32)
    probabilities = np.where(targets[:, None] == np.arange(2), sure[:, None], 1 - sure[:, None])
    names = [f"p{n // 4}" for n in range(240)]
    fold_of = assign_folds(targets, names, 5, 0)
    by_image = measure_folds(probabilities, targets, fold_of, TWO, [""] * 240)
    by_patient = measure_folds(probabilities, targets, fold_of, TWO, names)
    assert by_patient.figures.metrics == by_image.figures.metrics
    for name in ("accuracy", "roc_auc", "loss"):
        assert by_patient.figures.errors[name] == pytest.approx(
            2 * by_image.figures.errors[name], rel=0.25
        )  # √4 images a patient


def test_the_same_seed_gives_the_same_figures() -> None:
    features, targets = load(3, 45)
    fold_of = assign_folds(targets, [""] * 45, 2, 1)
    first, second = (
        cross_validate(features, targets, fold_of, Grades(("a", "b", "c")), True, [""] * 45, 1) for _ in range(2)
    )
    np.testing.assert_equal(vars(first.figures), vars(second.figures))


def test_each_fold_learns_from_no_more_images_than_allowed() -> None:
    features, targets = load(3, 150)
    fold_of, alone = assign_folds(targets, [""] * 150, 5, 0), [""] * 150
    task = SingleLabel(("a", "b", "c"))
    whole, same, few = (cross_validate(features, targets, fold_of, task, True, alone, most=m) for m in (None, 120, 9))
    assert np.array_equal(whole.probabilities, same.probabilities)
    assert not np.array_equal(whole.probabilities, few.probabilities)
    assert (whole.figures.metrics["accuracy"] or 0) > (few.figures.metrics["accuracy"] or 1) > 0.5


def test_all_right_is_not_certain() -> None:
    features = np.repeat(np.eye(2, dtype=np.float32), 20, axis=0)
    targets = np.repeat([0, 1], 20)
    fold_of = assign_folds(targets, [""] * 40, 5, 0)
    found = cross_validate(features, targets, fold_of, TWO, False, [""] * 40)
    interval = found.figures.intervals["accuracy"]
    assert found.figures.metrics["accuracy"] == 1.0
    assert interval is not None
    assert 0.85 < interval[0] < 0.95
    assert interval[1] == 1.0


def test_no_view_of_an_image_is_learned_by_the_head_that_predicts_it() -> None:
    chance = np.random.default_rng(0)
    features = chance.normal(size=(120, 400)).astype(np.float32)
    targets = chance.integers(0, 2, 120)  # labels of chance: only who has seen an image can know its label
    fold_of = assign_folds(targets, [""] * 120, 5, 0)
    views = [features + 0.01 * chance.normal(size=features.shape).astype(np.float32)] * 3
    found = cross_validate(features, targets, fold_of, TWO, False, [""] * 120, views=views)
    assert found.figures.metrics["accuracy"] is not None
    assert found.figures.metrics["accuracy"] < 0.7


def test_views_are_learned_from() -> None:
    chance = np.random.default_rng(0)
    targets = np.repeat([0, 1], 20)
    apart = np.where(targets == 0, -1.0, 1.0)[:, None] * np.ones(30)
    plain = (apart + chance.normal(0, 6, (40, 30))).astype(np.float32)
    views = [(apart + chance.normal(0, 6, (40, 30))).astype(np.float32) for _ in range(7)]
    fold_of = assign_folds(targets, [""] * 40, 5, 0)
    alone, helped = (cross_validate(plain, targets, fold_of, TWO, False, [""] * 40, views=more) for more in ([], views))
    assert alone.figures.metrics["loss"] is not None
    assert helped.figures.metrics["loss"] is not None
    assert helped.figures.metrics["loss"] < alone.figures.metrics["loss"]


# --- several labels for each image ---


def make_sets(images: int = 150) -> tuple[Any, Any]:
    chance = np.random.default_rng(0)
    targets = (chance.random((images, 3)) < (0.5, 0.3, 0.02)).astype(np.int64)
    features = targets @ chance.normal(0, 1, (3, 20)) + chance.normal(0, 2, (images, 20))
    return features.astype(np.float32), targets


def test_a_rare_one_of_several_labels_asks_for_no_fewer_folds() -> None:
    _, targets = make_sets()
    assert choose_fold_count(None, targets, [""] * 150, False) == 5
    assert choose_fold_count(8, targets, [""] * 150, False) == 8
    assert shrink_folds(5, targets, [f"p{n // 50}" for n in range(150)]) == 3
    assert shrink_folds(5, targets, ["one"] * 150) == 0
    with pytest.raises(UsageError, match="only 3 groups"):
        choose_fold_count(5, targets, [f"p{n // 50}" for n in range(150)], False)


def test_several_labels_are_told_apart_out_of_fold_and_each_fold_has_its_share() -> None:
    (features, targets), task = make_sets(), MultiLabel(("a", "b", "c"))
    fold_of = assign_folds(targets, [""] * 150, 5, 0)
    assert sorted(set(fold_of.tolist())) == [1, 2, 3, 4, 5]
    counts = [targets[fold_of == fold].sum(0) for fold in range(1, 6)]
    assert (np.ptp(counts, axis=0) <= 1).all()
    found = cross_validate(features, targets, fold_of, task, True, [""] * 150)
    assert (found.figures.metrics["mean_average_precision"] or 0) > 0.6
    assert "accuracy" not in found.figures.metrics
    interval = found.figures.intervals["exact_match"]
    assert interval is not None
    assert interval[0] < (found.figures.metrics["exact_match"] or 0) < interval[1]
