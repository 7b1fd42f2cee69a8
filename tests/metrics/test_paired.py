"""Two models on the same images: a real difference is called one, chance is not."""

from __future__ import annotations

import numpy as np
import pytest

from sightx_cli.errors import DataError
from sightx_cli.metrics.answers import Answers
from sightx_cli.metrics.metric import SINGLE_LABEL
from sightx_cli.metrics.paired import compare_answers, measure_mcnemar
from sightx_cli.metrics.registry import METRICS

NAMES = ("accuracy", "roc_auc", "loss")


def make_two(images: int, shares: tuple[float, float], seed: int = 0) -> tuple[Answers, Answers]:
    """Two models that are right on so large shares of the images, each where chance has it."""
    chance = np.random.default_rng(seed)
    truth, found = chance.integers(0, 2, images), []
    for share in shares:
        right = chance.random(images) < share
        sure = chance.uniform(0.6, 0.9, images)
        own = np.where(right, sure, 1 - sure)
        found.append(Answers(np.where(truth[:, None] == np.arange(2), own[:, None], 1 - own[:, None]), truth))
    return found[0], found[1]


def test_a_model_of_95_percent_is_better_than_one_of_90_on_1_000_images() -> None:
    found = compare_answers(*make_two(1_000, (0.90, 0.95)), SINGLE_LABEL)
    accuracy = found["accuracy"]
    assert accuracy.difference == pytest.approx(0.05, abs=0.02)
    assert accuracy.interval[0] > 0
    assert accuracy.p < 0.01
    assert accuracy.is_different
    assert set(found) == {name for name, metric in METRICS.items() if SINGLE_LABEL in metric.kinds}


def test_models_of_one_worth_are_seldom_called_different() -> None:
    called = [
        any(
            one.is_different
            for one in compare_answers(*make_two(120, (0.9, 0.9), seed), SINGLE_LABEL, (), NAMES).values()
        )
        for seed in range(60)
    ]
    assert sum(called) <= 6


def test_a_model_compared_with_itself_does_not_differ() -> None:
    first, _ = make_two(100, (0.9, 0.9))
    for one in compare_answers(first, first, SINGLE_LABEL).values():
        assert one.difference == 0
        assert one.p == 1.0
        assert one.interval == (0, 0)
        assert one.is_same
        assert not one.is_different


def test_models_that_decide_alike_are_unsure_of_shares_alone_by_one_image_each_way() -> None:
    first, _ = make_two(100, (0.9, 0.9))
    towards_half = Answers(0.5 + 0.9 * (first.scores - 0.5), first.truth)  # the same decisions and ranks
    found = compare_answers(first, towards_half, SINGLE_LABEL)
    assert not any(one.is_same for one in found.values())
    assert found["accuracy"].interval[0] < 0 < found["accuracy"].interval[1]
    assert (found["roc_auc"].difference, found["roc_auc"].interval, found["roc_auc"].p) == (0, (0, 0), 1)
    low, high = found["loss"].interval
    assert low < found["loss"].difference < high


def test_turning_the_two_around_turns_the_sign() -> None:
    first, second = make_two(300, (0.85, 0.95))
    there, back = (compare_answers(*two, SINGLE_LABEL, (), NAMES) for two in ((first, second), (second, first)))
    for name in NAMES:
        assert there[name].difference == -back[name].difference
        assert there[name].p == pytest.approx(back[name].p)
        assert there[name].interval == pytest.approx([-back[name].interval[1], -back[name].interval[0]])


def test_mcnemar_is_the_exact_test_of_images_on_which_one_alone_is_right() -> None:
    first, second = make_two(400, (0.8, 0.9))
    found = measure_mcnemar(first, second)
    assert found.only_first == (first.right & ~second.right).sum()
    assert found.only_second == (second.right & ~first.right).sum()
    assert compare_answers(first, second, SINGLE_LABEL, (), ["accuracy"])["accuracy"].p == found.p
    assert measure_mcnemar(first, first).p == 1.0


def test_images_of_one_patient_are_one_piece_of_evidence() -> None:
    first, second = make_two(40, (0.8, 0.95), seed=3)
    repeated = [Answers(one.scores.repeat(10, 0), one.truth.repeat(10)) for one in (first, second)]
    patients = [f"p{place // 10}" for place in range(400)]
    by_image = compare_answers(repeated[0], repeated[1], SINGLE_LABEL, (), NAMES)
    by_patient = compare_answers(repeated[0], repeated[1], SINGLE_LABEL, patients, NAMES)
    for name in NAMES:
        assert by_patient[name].p > by_image[name].p
        narrow, wide = by_image[name].interval, by_patient[name].interval
        assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_many_images_and_classes_are_compared_in_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_two(500, (0.85, 0.9))
    exact = compare_answers(first, second, SINGLE_LABEL)
    monkeypatch.setattr("sightx_cli.metrics.units.MAX_WORK", 500 * 2 * 1000 - 1)
    large = compare_answers(first, second, SINGLE_LABEL)
    for name in exact:
        assert large[name].difference == exact[name].difference
        widths = [one.interval[1] - one.interval[0] for one in (large[name], exact[name])]
        assert widths[0] == pytest.approx(widths[1], rel=0.15)


def test_other_images_are_refused() -> None:
    (first, _), (other, _) = make_two(50, (0.9, 0.9)), make_two(50, (0.9, 0.9), seed=1)
    with pytest.raises(DataError, match="same images only"):
        compare_answers(first, other, SINGLE_LABEL)
