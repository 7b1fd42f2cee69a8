"""The linear probe is a logistic regression as scikit-learn solves it, in the form that a head takes."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

from sightx_cli.probe import linear_head
from sightx_cli.probe.linear_head import (
    CALM_IMAGES,
    LEAST_DEVIATION,
    STRENGTHS,
    TRIAL_IMAGES,
    LinearSolution,
    calm_threads,
    choose_images,
    choose_strength,
    measure_most_images,
    measure_scale,
    rotate,
    solve_linear_head,
)
from sightx_cli.task.single_label import SingleLabel


def make_task(classes: int) -> SingleLabel:
    return SingleLabel(tuple(map(str, range(classes))))


def load(classes: int, images: int = 300) -> tuple[Any, Any]:
    """Handwritten digits as features (N, 64), of this many classes."""
    known = load_digits()
    rows = np.flatnonzero(known.target < classes)[:images]
    return known.data[rows].astype(np.float32), known.target[rows].astype(np.int64)


def predict(solution: LinearSolution, features: Any) -> Any:
    """Probabilities as a head computes them: the softmax of weight · (features − mean) / deviation + bias."""
    logits = (features - solution.mean) / solution.deviation @ solution.weight.T + solution.bias
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_solution_gives_the_probabilities_of_scikit_learns(classes: int, balanced: bool) -> None:
    features, targets = load(classes)
    keep = (targets != 1) | (np.arange(len(targets)) % 4 == 0)  # class 1 is rarer
    features, targets = features[keep], targets[keep]
    solution = solve_linear_head(features, targets, make_task(classes), balanced)
    mean, deviation = measure_scale(features)
    scaled = (features - mean) / deviation
    weights = "balanced" if balanced else None
    model = LogisticRegression(C=solution.strength, class_weight=weights, max_iter=2000, tol=1e-7)
    model.fit(scaled.astype(np.float64), targets)
    assert solution.weight.shape == (classes, 64)
    assert solution.weight.dtype == solution.bias.dtype == solution.mean.dtype == np.float32
    np.testing.assert_allclose(predict(solution, features), model.predict_proba(scaled), atol=2e-3)


@pytest.mark.parametrize("classes", [2, 10])
def test_it_tells_digits_apart_that_it_has_not_seen(classes: int) -> None:
    features, targets = load(classes, images=1797)
    train, valid = slice(0, None, 2), slice(1, None, 2)
    solution = solve_linear_head(features[train], targets[train], make_task(classes), balanced=True)
    assert (predict(solution, features[valid]).argmax(1) == targets[valid]).mean() > (0.99 if classes == 2 else 0.94)


@pytest.mark.parametrize(("present", "classes"), [((0, 2), 3), ((1, 2), 3), ((0, 1, 3, 4), 6)])
def test_a_class_without_images_is_given_no_chance_and_the_others_are_told_apart(
    present: tuple[int, ...], classes: int
) -> None:
    features, targets = load(5)
    rows = np.isin(targets, present)
    features, targets = features[rows], targets[rows]
    probabilities = predict(solve_linear_head(features, targets, make_task(classes), balanced=True), features)
    assert (probabilities.argmax(1) == targets).mean() > 0.97
    absent = [number for number in range(classes) if number not in present]
    assert probabilities[:, absent].max() < 0.01


def test_a_feature_that_never_changes_does_no_harm() -> None:
    features, targets = load(3)
    features[:, 5] = 1000.0
    solution = solve_linear_head(features, targets, make_task(3), balanced=True)
    assert np.isfinite(solution.weight).all()
    assert (predict(solution, features).argmax(1) == targets).mean() > 0.97


def test_the_same_images_give_the_same_solution() -> None:
    features, targets = load(4)
    first, second = (solve_linear_head(features, targets, make_task(4), balanced=True) for _ in range(2))
    np.testing.assert_array_equal(first.weight, second.weight)
    assert first.strength == second.strength


def draw_patients() -> tuple[Any, Any, list[str]]:
    """Forty patients of four images: what is like in a patient's images says nothing of the class."""
    generator = np.random.default_rng(0)
    patients = np.repeat(np.arange(40), 4)
    features = generator.normal(size=(40, 60))[patients] + 0.1 * generator.normal(size=(160, 60))
    return features.astype(np.float32), patients % 2, [f"patient {number}" for number in patients]


def test_groups_kept_together_tell_that_nothing_was_learned() -> None:
    features, targets, patients = draw_patients()
    apart = choose_strength(features, targets, make_task(2), False, None, 0)
    together = choose_strength(features, targets, make_task(2), False, patients, 0)
    assert apart == max(STRENGTHS)  # images of a patient on both sides: the more it is fitted the better it looks
    assert together == min(STRENGTHS)


def test_images_without_a_group_stand_alone() -> None:
    features, targets, _ = draw_patients()
    alone = [""] * 158 + ["a", "a"]
    first, second = (choose_strength(features, targets, make_task(2), False, groups, 0) for groups in (alone, None))
    assert first == second


GROUPINGS = {
    "one group": lambda targets: ["a"] * len(targets),
    "two groups": lambda targets: ["ab"[place % 2] for place in range(len(targets))],
    "a group per class": lambda targets: [f"group {target}" for target in targets],
    "each its own": lambda targets: [str(place) for place in range(len(targets))],
}


@pytest.mark.parametrize("grouping", GROUPINGS)
def test_any_grouping_gives_a_solution(grouping: str) -> None:
    features, targets = load(3, images=60)
    solution = solve_linear_head(features, targets, make_task(3), balanced=True, groups=GROUPINGS[grouping](targets))
    assert (predict(solution, features).argmax(1) == targets).mean() > 0.95


@pytest.mark.parametrize("grouping", ["one group", "a group per class"])
def test_groups_that_allow_no_trial_leave_the_usual_strength(grouping: str) -> None:
    features, targets = load(3, images=60)
    assert choose_strength(features, targets, make_task(3), False, GROUPINGS[grouping](targets), 0) == STRENGTHS[1]


@given(st.lists(st.integers(0, 3), min_size=2, max_size=12).filter(lambda targets: len(set(targets)) > 1))
@settings(max_examples=25, deadline=None)
def test_however_few_images_there_are_a_solution_is_found(targets: list[int]) -> None:
    features = np.random.default_rng(0).normal(size=(len(targets), 6)).astype(np.float32)
    solution = solve_linear_head(features, np.array(targets), make_task(4), balanced=True)
    assert np.isfinite(predict(solution, features)).all()
    assert solution.strength in STRENGTHS


def test_the_strength_is_tried_on_a_part_of_many_images() -> None:
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 2, TRIAL_IMAGES * 2)
    features = (generator.normal(size=(len(targets), 3)) + targets[:, None]).astype(np.float32)
    groups = [str(place // 3) for place in range(len(targets))]
    solution = solve_linear_head(features, targets, make_task(2), balanced=True, groups=groups)
    assert (predict(solution, features).argmax(1) == targets).mean() > 0.75


def test_readings_of_the_same_images_weigh_as_much_as_the_images_alone() -> None:
    features, targets = load(3, images=120)
    alone = solve_linear_head(features, targets, make_task(3), balanced=True)
    twice = solve_linear_head(np.tile(features, (2, 1)), np.tile(targets, 2), make_task(3), balanced=True, views=2)
    np.testing.assert_allclose(predict(twice, features), predict(alone, features), atol=5e-3)
    assert twice.strength == alone.strength / 2


def test_images_that_are_there_twice_are_turned_alike() -> None:
    features = np.repeat(np.random.default_rng(0).normal(size=(5, 40)).astype(np.float32), 3, axis=0)
    turned = rotate(features)
    np.testing.assert_allclose(turned @ turned.T, features @ features.T, atol=1e-3)
    assert np.isfinite(rotate(np.zeros((3, 8), np.float32))).all()


@pytest.mark.parametrize("images", [CALM_IMAGES, CALM_IMAGES + 1])
def test_few_images_are_solved_on_one_thread_and_many_on_all(images: int) -> None:
    def count() -> list[int]:
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    before = count()
    with calm_threads(images):
        assert count() == ([1] * len(before) if images == CALM_IMAGES else before)
    assert count() == before


def test_the_library_that_factors_is_held_to_one_thread_though_nothing_has_loaded_it() -> None:
    code = (
        "from sightx_cli.probe.linear_head import calm_threads\n"
        "from threadpoolctl import threadpool_info\n"
        "with calm_threads(10):\n"
        "    import scipy.linalg, sklearn.linear_model\n"
        "    assert {one['num_threads'] for one in threadpool_info() if one['user_api'] == 'blas'} == {1}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("shape", [(10, 40), (40, 40), (40, 10)])
def test_turned_features_have_the_same_products_in_no_more_columns_than_rows(shape: tuple[int, int]) -> None:
    features = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    turned = rotate(features)
    assert turned.shape == (shape[0], min(shape))
    np.testing.assert_allclose(turned @ turned.T, features @ features.T, atol=1e-3)


def test_features_that_may_be_overwritten_give_the_same_head_and_are_held_once(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    targets = np.arange(20_000) % 2
    features = generator.normal(size=(20_000, 200)).astype(np.float32) + targets[:, None].astype(np.float32)
    monkeypatch.setattr(linear_head, "SCALED_VALUES", 400_000)
    kept = features.copy()
    first = solve_linear_head(features, targets, make_task(2), balanced=True)
    assert np.array_equal(features, kept)
    tracemalloc.start()
    second = solve_linear_head(features, targets, make_task(2), balanced=True, overwrite=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(first.weight, second.weight)
    assert np.array_equal(first.bias, second.bias)
    assert peak < 0.5 * features.nbytes


@pytest.mark.parametrize("values", [1, 700, 10**9])
def test_the_scale_is_that_of_numpy_however_many_features_are_taken_at_a_time(
    values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = np.random.default_rng(0).normal(3, 2, (300, 17)).astype(np.float32)
    features[:, 5] = 1.0
    monkeypatch.setattr(linear_head, "SCALED_VALUES", values)
    mean, deviation = measure_scale(features)
    expected = features.std(0, dtype=np.float64)
    expected[5] = LEAST_DEVIATION * np.median(expected)
    np.testing.assert_allclose(mean, features.mean(0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(deviation, expected, rtol=1e-6)
    if values == 10**9:  # few images: to the bit
        assert np.array_equal(np.delete(deviation, 5), np.delete(expected, 5).astype(np.float32))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=6), st.integers(1, 600))
def test_of_more_images_than_fit_every_stratum_keeps_its_share(counts: list[int], most: int) -> None:
    strata = np.repeat(np.arange(len(counts)), counts)
    chosen = choose_images(strata, most)
    if len(strata) <= most:
        assert chosen is None
        return
    assert chosen is not None
    assert np.array_equal(chosen, np.unique(chosen))
    assert len(chosen) <= most + len(counts)
    for stratum, count in enumerate(counts):
        kept = int((strata[chosen] == stratum).sum())
        assert min(count, 1) <= kept
        assert abs(kept - count * most / len(strata)) <= 1


def test_the_number_of_images_follows_the_memory_that_is_free() -> None:
    most = measure_most_images(2_272, make_task(2), free_bytes=8 * 10**9)
    assert most is not None
    assert 4e9 * 0.9 < most * 2_272 * 4 < 4e9
    assert measure_most_images(2_272, make_task(2), 2, 8 * 10**9) == most // 2
    assert measure_most_images(2_272, make_task(2), free_bytes=0) == TRIAL_IMAGES
    many = [measure_most_images(2_272, make_task(classes), free_bytes=8 * 10**9) or 0 for classes in (2, 1_000)]
    assert many[1] < many[0] / 4
    assert choose_images(np.zeros(10**5, np.int64), None) is None


def test_offsets_are_smaller_than_heads_of_the_same_penalty_would_make_them(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(0)
    targets = np.repeat([0, 1], [300, 30])
    features = chance.normal(size=(330, 500)).astype(np.float32)
    features[:, :5] += 0.7 * targets[:, None].astype(np.float32)
    task = make_task(2)
    found = solve_linear_head(features, targets, task, balanced=True).offsets
    monkeypatch.setattr(linear_head, "OFFSET_STRENGTH", 1.0)
    larger = solve_linear_head(features, targets, task, balanced=True).offsets
    assert found is not None
    assert larger is not None
    assert 0 < found[1] < larger[1]


def test_a_feature_that_hardly_varies_is_not_enlarged_to_weigh_as_much_as_others() -> None:
    features = np.random.default_rng(0).normal(size=(200, 9)).astype(np.float32)
    features[:, 0] *= 1e-3
    features[:, 1] = 5.0
    _, deviation = measure_scale(features)
    usual = np.median(features.std(0))
    assert deviation[:2] == pytest.approx([LEAST_DEVIATION * usual] * 2, rel=0.01)
    assert deviation[2:] == pytest.approx(features[:, 2:].std(0), rel=1e-4)
    assert measure_scale(np.full((20, 4), 7.0, np.float32))[1].tolist() == [1.0] * 4
