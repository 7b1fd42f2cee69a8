"""Doubts where an image may have several labels: the wrong label is named, and the others of the image stay."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightx_cli.quality.set_doubts import find_set_doubts, predict_sets
from sightx_cli.task.multilabel import MultiLabel

NAMES = ("bent", "cut", "dark")


def make_cells(images: int = 240, noise: float = 1.0) -> tuple[Any, list[str]]:
    """Features that tell three labels from each other, and the cells that join them."""
    chance = np.random.default_rng(0)
    targets = chance.random((images, 3)) < (0.5, 0.4, 0.3)
    features = targets @ chance.normal(0, 3, (3, 30)) + chance.normal(0, noise, (images, 30))
    return features.astype(np.float32), [join(row) for row in targets]


def join(row: Any) -> str:
    return ";".join(name for name, has in zip(NAMES, row, strict=True) if has)


def flip(cell: str, name: str) -> str:
    return join([(one in cell.split(";")) != (one == name) for one in NAMES])


def test_a_wrong_label_is_doubted_and_what_is_suggested_puts_it_right() -> None:
    features, cells = make_cells()
    wrong = {place: NAMES[place % 3] for place in range(0, 240, 20)}
    given = [flip(cell, wrong[place]) if place in wrong else cell for place, cell in enumerate(cells)]
    doubts = find_set_doubts(features, given, ";", [""] * 240)
    found = {doubt.place: doubt for doubt in doubts.found}
    right = set(wrong) & set(found)
    assert len(right) >= 10
    assert len(found) < 20
    assert sum(found[place].suggested == cells[place] for place in right) >= 10
    assert all(doubt.confidence > 0.5 > doubt.confidence_given for doubt in doubts.found)
    assert list(found) == sorted(found, key=lambda place: -found[place].confidence)
    assert doubts.agreement is not None
    assert 0.85 < doubts.agreement < 0.97


def test_clean_labels_are_hardly_doubted() -> None:
    features, cells = make_cells()
    assert len(find_set_doubts(features, cells, ";", [""] * 240).found) <= 3


def test_a_label_of_few_images_or_groups_is_not_judged() -> None:
    features, cells = make_cells(60)
    rare = [flip(cell, "dark") if "dark" in cell.split(";") else cell for cell in cells]
    rare[:3] = [flip(cell, "dark") for cell in rare[:3]]
    doubts = find_set_doubts(features, rare, ";", [""] * 60)
    dark = {place for place in range(60) if "dark" in rare[place].split(";")}
    assert all(("dark" in one.suggested.split(";")) == (one.place in dark) for one in doubts.found)
    nothing = find_set_doubts(features, cells, ";", [f"p{place % 3}" for place in range(60)])
    assert (nothing.found, nothing.agreement) == ((), None)


def test_a_copy_in_the_same_group_does_not_vouch_for_a_wrong_label() -> None:
    features, cells = make_cells(60, noise=8.0)
    task = MultiLabel(NAMES)
    given = task.number([flip(cell, "cut") if place < 5 else cell for place, cell in enumerate(cells)])
    features, given = np.tile(features, (3, 1)), np.tile(given, (3, 1))
    groups = [f"photograph {place % 60}" for place in range(180)]
    alone, together = (predict_sets(features, given, task, names, 0) for names in ([""] * 180, groups))
    trust = [np.where(given[:5, 1] == 1, found[:5, 1], 1 - found[:5, 1]).mean() for found in (together, alone)]
    assert trust[0] < trust[1] - 0.1
