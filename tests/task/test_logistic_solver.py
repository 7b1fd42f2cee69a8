"""A linear head is solved to the least penalised loss, whichever way it is found, and says how near it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from sightx_cli.task import logistic_spaces
from sightx_cli.task.grades import share_grades
from sightx_cli.task.logistic_losses import LogisticLoss, SigmoidLoss, SoftmaxLoss
from sightx_cli.task.logistic_solver import LogisticSolution, solve_logistic

KINDS = ["two classes", "classes", "grades", "labels"]


def load(images: int, columns: int = 64) -> tuple[Any, Any]:
    """Handwritten digits, standardised, in a random order; columns beyond 64 are products of others."""
    known = load_digits()
    order = np.random.default_rng(0).permutation(len(known.target))[:images]
    rows = known.data[order]
    chance = np.random.default_rng(1)
    while rows.shape[1] < columns:
        first, second = chance.integers(0, 64, (2, min(64, columns - rows.shape[1])))
        rows = np.hstack([rows, rows[:, first] * rows[:, second]])
    rows = (rows - rows.mean(0)) / (rows.std(0) + 1e-3)
    return rows.astype(np.float32), known.target[order].astype(np.int64)


def make_loss(kind: str, digits: Any) -> LogisticLoss:
    """The loss of each kind of head, the images of unlike weights."""
    weights = np.where(digits % 3 == 0, 3.0, 0.5).astype(np.float32)
    if kind == "two classes":
        return SigmoidLoss((digits > 4)[:, None].astype(np.float32), weights[:, None])
    if kind == "labels":
        wanted = np.stack([digits > 7, digits % 2 == 0, digits < 1], axis=1).astype(np.float32)
        return SigmoidLoss(wanted, np.where(wanted > 0, 2, 1).astype(np.float32) * weights[:, None])
    if kind == "grades":
        return SoftmaxLoss(share_grades(4)[digits % 4], weights)
    return SoftmaxLoss(np.eye(10, dtype=np.float32)[digits], weights)


def measure(solution: LogisticSolution, features: Any, loss: LogisticLoss, strength: float) -> float:
    """The penalised loss of a head, in float64."""
    weight = solution.weight.astype(np.float64)
    logits = features.astype(np.float64) @ weight + solution.bias
    return float(np.sum(loss.measure(logits)) + (weight**2).sum() / (2 * strength))


def predict(solution: LogisticSolution, features: Any, loss: LogisticLoss) -> Any:
    return loss.predict(features @ solution.weight + solution.bias)


@pytest.mark.parametrize("kind", KINDS)
def test_the_slopes_and_bends_are_the_derivatives_of_the_loss(kind: str) -> None:
    _, digits = load(60)
    loss = make_loss(kind, digits)
    chance = np.random.default_rng(0)
    at, way = chance.normal(size=(2, *loss.wanted.shape))
    step = 1e-5
    around = [loss.measure(at + length * way) for length in (-step, 0.0, step)]
    np.testing.assert_allclose(
        loss.add(loss.measure_slopes(loss.predict(at)) * way), (around[2] - around[0]) / (2 * step), rtol=1e-3
    )
    np.testing.assert_allclose(
        loss.measure_bend(loss.predict(at), way), (around[2] - 2 * around[1] + around[0]) / step**2, rtol=1e-2
    )


@pytest.mark.parametrize("columns", [64, 500])
@pytest.mark.parametrize("strength", [1e-3, 1e-1])
@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_least_and_how_near_it_is_is_said(kind: str, strength: float, columns: int) -> None:
    features, digits = load(300, columns)
    loss = make_loss(kind, digits)
    best = measure(solve_logistic(features, loss, strength, 1e-5), features, loss, strength)
    for tolerance in (1e-1, 1e-2, 1e-3):
        found = solve_logistic(features, loss, strength, tolerance)
        above = measure(found, features, loss, strength) / best - 1
        assert found.gap <= tolerance**2
        assert -1e-6 < above < 10 * tolerance**2 + 1e-6


@pytest.mark.parametrize("columns", [64, 500])
def test_no_solution_of_scikit_learns_is_better(columns: int) -> None:
    features, digits = load(300, columns)
    weights = np.where(digits % 3 == 0, 3.0, 0.5)
    known = LogisticRegression(C=1e-2, max_iter=3000, tol=1e-8)
    known.fit(features.astype(np.float64), digits, sample_weight=weights)
    found = solve_logistic(features, make_loss("classes", digits), 1e-2, 1e-4)
    probabilities = predict(found, features, make_loss("classes", digits))
    np.testing.assert_allclose(probabilities, known.predict_proba(features.astype(np.float64)), atol=5e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_images_products_and_their_features_lead_to_the_same_head(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, digits = load(200, 300)
    loss = make_loss(kind, digits)
    assert isinstance(logistic_spaces.choose_space(features, loss.image_weights), logistic_spaces.ImageSpace)
    by_images = solve_logistic(features, loss, 1e-2, 1e-4)
    monkeypatch.setattr(logistic_spaces, "FACTORED", 199)
    monkeypatch.setattr(logistic_spaces, "SAMPLED", 100)
    assert isinstance(logistic_spaces.choose_space(features, loss.image_weights), logistic_spaces.FeatureSpace)
    sampled = solve_logistic(features, loss, 1e-2, 1e-4)
    np.testing.assert_allclose(sampled.weight, by_images.weight, atol=2e-4)
    np.testing.assert_allclose(sampled.bias, by_images.bias, atol=2e-3)


@pytest.mark.parametrize("rows", [1, 7, 1_000])
def test_the_metric_is_the_same_however_many_rows_are_weighed_at_a_time(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, digits = load(300)
    loss = make_loss("classes", digits)
    expected = solve_logistic(features, loss, 1e-2, 1e-3)
    monkeypatch.setattr(logistic_spaces, "ROWS", rows)
    found = solve_logistic(features, loss, 1e-2, 1e-3)
    assert found.steps == expected.steps
    np.testing.assert_allclose(found.weight, expected.weight, atol=1e-4)


@pytest.mark.parametrize("columns", [64, 500])
@pytest.mark.parametrize("kind", KINDS)
def test_from_the_head_of_another_penalty_the_same_head_is_nearer(kind: str, columns: int) -> None:
    features, digits = load(300, columns)
    loss = make_loss(kind, digits)
    strong = solve_logistic(features, loss, 1e-2, 1e-3)
    cold = solve_logistic(features, loss, 2e-2, 1e-3)
    warm = solve_logistic(features, loss, 2e-2, 1e-3, strong)
    assert warm.steps <= cold.steps
    np.testing.assert_allclose(predict(warm, features, loss), predict(cold, features, loss), atol=5e-3)


def test_a_head_of_other_images_or_other_classes_is_no_start() -> None:
    features, digits = load(300)
    loss, other = make_loss("classes", digits), make_loss("grades", digits)
    cold = solve_logistic(features, loss, 1e-2, 1e-3)
    for start in (
        solve_logistic(features, other, 1e-2, 1e-3),
        solve_logistic(features[:200].copy(), make_loss("classes", digits[:200]), 1e-2, 1e-3),
    ):
        found = solve_logistic(features, loss, 1e-2, 1e-3, start)
        np.testing.assert_allclose(found.weight, cold.weight, atol=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(2, 40),
    st.integers(1, 40),
    st.sampled_from([1e-6, 1e-2, 1.0, 1e6]),
    st.sampled_from(["normal", "twice", "zero", "huge"]),
    st.sampled_from(KINDS),
)
def test_whatever_the_features_are_the_head_is_finite(
    images: int, columns: int, strength: float, form: str, kind: str
) -> None:
    chance = np.random.default_rng(images * 100 + columns)
    features = chance.normal(size=(images, columns)).astype(np.float32)
    if form == "twice":
        features = np.repeat(features[:1], images, axis=0)
    features *= {"zero": 0.0, "huge": 1e4}.get(form, 1.0)
    digits = np.append(chance.integers(0, 10, images - 2), [0, 9])
    loss = make_loss(kind, digits)
    found = solve_logistic(features, loss, strength, 1e-3)
    assert found.weight.dtype == found.bias.dtype == np.float32
    assert np.isfinite(found.weight).all()
    assert np.isfinite(found.bias).all()
    start = float(np.sum(loss.measure(np.zeros_like(loss.wanted))))
    assert measure(found, features, loss, strength) <= start * (1 + 1e-4)


def test_the_same_images_give_the_same_bytes_whatever_was_solved_before() -> None:
    features, digits = load(300)
    loss = make_loss("classes", digits)
    first = solve_logistic(features, loss, 1e-2, 1e-3)
    solve_logistic(features[:100], make_loss("labels", digits[:100]), 1.0, 1e-3)
    assert np.array_equal(first.weight, solve_logistic(features.copy(), loss, 1e-2, 1e-3).weight)
