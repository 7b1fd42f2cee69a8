"""Iterative stratification: every part has its share of every label, whatever must stay together does."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from sightx_cli.task.stratification import assign_strata, divide_evenly, number_strata


def make_labels(images: int, seed: int = 0, labels: int = 6) -> Any:
    chance = np.random.default_rng(seed)
    return (chance.random((images, labels)) < np.linspace(0.01, 0.5, labels)).astype(np.int64)


@pytest.mark.parametrize("shares", [(0.8, 0.2), (0.2,) * 5, (1 / 3,) * 3])
def test_every_part_has_its_share_of_every_label_and_of_those_without_any(shares: tuple[float, ...]) -> None:
    labels = make_labels(1_000)
    part_of = divide_evenly(labels, [""] * 1_000, shares, 0)
    rows = np.column_stack([labels, labels.sum(1) == 0])
    for part, share in enumerate(shares):
        here = rows[part_of == part]
        assert np.abs(here.sum(0) - rows.sum(0) * share).max() <= 2
        assert len(here) == pytest.approx(1_000 * share, abs=15)


def test_the_share_is_nearer_than_by_chance() -> None:
    labels = make_labels(300, labels=12)
    chance = np.random.default_rng(1).random(300) < 0.2
    made = divide_evenly(labels, [""] * 300, (0.8, 0.2), 0) == 1
    wanted = labels.sum(0) * 0.2
    assert np.abs(labels[made].sum(0) - wanted).sum() < np.abs(labels[chance].sum(0) - wanted).sum() / 3


def test_groups_stay_together_and_their_labels_are_shared_by_their_sums() -> None:
    labels = make_labels(1_200)
    groups = [f"p{n // 6}" for n in range(1_200)]
    part_of = divide_evenly(labels, groups, (0.2,) * 5, 0)
    assert all(len(set(part_of[start : start + 6].tolist())) == 1 for start in range(0, 1_200, 6))
    for part in range(5):
        share = labels[part_of == part].sum(0) / labels.sum(0)
        assert np.abs(share[2:] - 0.2).max() < 0.05


sets = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from(["", "p", "q", "r"])), min_size=3
)


@given(sets, st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_the_largest_part_has_every_label(rows: list[tuple[bool, bool, bool, str]], seed: int) -> None:
    labels, groups = np.array([row[:3] for row in rows]).astype(np.int64), [row[3] for row in rows]
    part_of = divide_evenly(labels, groups, (0.8, 0.2), seed)
    assert set(part_of.tolist()) <= {0, 1}
    assert (labels[part_of == 0].any(0) == labels.any(0)).all()
    for group in {*groups} - {""}:
        assert len({part for part, name in zip(part_of.tolist(), groups, strict=True) if name == group}) == 1


@pytest.mark.parametrize("images", [2, 3, 5, 20])
def test_a_label_of_two_images_is_in_both_parts(images: int) -> None:
    labels = np.zeros((100, 2), np.int64)
    labels[:60, 0], labels[60 - images // 2 : 60 - images // 2 + images, 1] = 1, 1
    part_of = divide_evenly(labels, [""] * 100, (0.8, 0.2), 0)
    assert labels[part_of == 0, 1].sum() >= 1
    assert labels[part_of == 1, 1].sum() >= 1


def test_the_same_seed_divides_alike_and_another_otherwise() -> None:
    labels = make_labels(200)
    first, again, other = (divide_evenly(labels, [""] * 200, (0.8, 0.2), seed).tolist() for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_rarest_label_names_the_stratum_of_an_image_for_a_sample() -> None:
    labels = np.array([[1, 0], [1, 1], [1, 0], [0, 0]])
    numbers = number_strata(labels)
    assert numbers[0] == numbers[2]
    assert len({numbers[0], numbers[1], numbers[3]}) == 3
    assert number_strata(np.array([3, 1, 3])).tolist() == [3, 1, 3]


@given(st.lists(st.sampled_from([0, 1, 2, 7]), max_size=60), st.integers(2, 6), st.integers(0, 5))
def test_the_folds_of_strata_are_scikit_learns(drawn: list[int], folds: int, seed: int) -> None:
    strata = np.array([3] * folds + drawn)  # one stratum has an image for each fold
    strata = np.random.default_rng(seed).permutation(strata)
    fold_of = assign_strata(strata, folds, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a stratum with fewer images than folds
        splits = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(strata, strata))
    for number, (_, held_out) in enumerate(splits):
        assert np.flatnonzero(fold_of == number).tolist() == held_out.tolist()
