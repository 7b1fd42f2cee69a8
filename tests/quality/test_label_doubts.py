from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from sightx_cli.quality.label_doubts import find_doubts, predict_out_of_fold


def load_some(classes: int, each: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    digits = load_digits()
    rows = np.concatenate([np.flatnonzero(digits.target == number)[:each] for number in range(classes)])
    return digits.data[rows].astype(np.float32), digits.target[rows].astype(np.int64)


def test_wrong_labels_are_doubted_and_their_class_suggested() -> None:
    features, targets = load_some(4, 50)
    wrong = np.random.default_rng(0).choice(len(targets), 10, replace=False)
    given = targets.copy()
    given[wrong] = (given[wrong] + 1) % 4
    doubts = find_doubts(features, given)
    found = {doubt.place: doubt for doubt in doubts.found}
    right = set(wrong.tolist()) & set(found)
    assert len(right) >= 8
    assert len(found) < 20
    assert all(found[place].suggested == str(targets[place]) for place in right)
    assert doubts.agreement is not None
    assert 0.9 < doubts.agreement < 0.97
    assert all(doubt.confidence > doubt.confidence_given for doubt in doubts.found)


def test_clean_labels_are_hardly_doubted() -> None:
    assert len(find_doubts(*load_some(4, 50)).found) <= 2


def test_a_copy_in_the_same_group_does_not_vouch_for_a_wrong_label() -> None:
    features, targets = load_some(2, 30)
    given = targets.copy()
    given[:5] = 1  # five noughts are called one, and each has copies that say the same
    features, given = np.tile(features, (3, 1)), np.tile(given, 3)
    groups = [f"photograph {place % 60}" for place in range(180)]
    alone = predict_out_of_fold(features, given, [str(place) for place in range(180)], seed=0)
    together = predict_out_of_fold(features, given, groups, seed=0)
    assert together[:5, 1].mean() < alone[:5, 1].mean() - 0.2


def test_classes_with_too_few_images_are_not_judged() -> None:
    features, targets = load_some(3, 20)
    few = np.concatenate([features[:40], features[40:44]]), np.concatenate([targets[:40], targets[40:44]])
    doubts = find_doubts(*few)
    assert all(doubt.place < 40 for doubt in doubts.found)
    assert find_doubts(features[:22], targets[:22]).agreement is None
    assert find_doubts(features[:20], targets[:20]).found == ()
