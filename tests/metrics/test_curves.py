"""Curves are scikit-learn's, have at most 200 points, and bands that never say "certain"."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from sightx_cli.metrics import curves as module
from sightx_cli.metrics.answers import Answers, SetAnswers
from sightx_cli.metrics.curves import (
    RankingCurve,
    list_sides,
    measure_decision_curve,
    measure_histograms,
    measure_ranking_curves,
    measure_reliability,
    measure_risk_coverage,
)
from sightx_cli.metrics.intervals import measure_wilson
from sightx_cli.metrics.operating_points import build_question
from sightx_cli.metrics.part_curves import measure_curves

TWO = ("healthy", "ill")


def make_answers(images: int = 300, classes: int = 2, seed: int = 0) -> Answers:
    chance = np.random.default_rng(seed)
    scores = chance.dirichlet(np.ones(classes), images)
    right = chance.random(images) < 0.6
    return Answers(scores, np.where(right, scores.argmax(1), chance.integers(0, classes, images)))


def draw(answers: Answers, together: list[str] | None = None) -> tuple[RankingCurve, RankingCurve]:
    roc, precision = measure_ranking_curves(answers, TWO, together or [])
    return roc, precision


def test_the_roc_curve_and_its_area_are_those_of_scikit_learn() -> None:
    answers = make_answers()
    roc, _ = draw(answers)
    false_positives, found, _ = roc_curve(answers.truth, answers.scores[:, 1], drop_intermediate=False)
    assert (roc.label, roc.kind, roc.prevalence) == ("ill", "roc", answers.truth.mean())
    assert roc.area == pytest.approx(roc_auc_score(answers.truth, answers.scores[:, 1]))
    np.testing.assert_allclose(roc.up, np.interp(roc.across, false_positives, found), atol=1e-6)
    assert np.trapezoid(roc.up, roc.across) == pytest.approx(roc.area, abs=0.005)


def test_the_precision_recall_curve_is_that_of_scikit_learn() -> None:
    answers = make_answers()
    _, curve = draw(answers)
    precision, recall, _ = precision_recall_curve(answers.truth, answers.scores[:, 1])
    assert curve.area == pytest.approx(average_precision_score(answers.truth, answers.scores[:, 1]))
    for across, up in zip(curve.across[1:], curve.up[1:], strict=True):
        assert up == pytest.approx(precision[np.flatnonzero(recall >= across - 1e-9)[-1]], abs=1e-6)


def test_bands_hold_the_curve_and_patients_widen_them() -> None:
    answers = make_answers(100)
    repeated = Answers(answers.scores.repeat(6, 0), answers.truth.repeat(6))
    patients = [f"p{place // 6}" for place in range(600)]
    for by_image, by_patient in zip(draw(repeated), draw(repeated, patients), strict=True):
        widths = []
        for curve in (by_image, by_patient):
            low, up, high = (np.array(points) for points in (curve.low, curve.up, curve.high))
            assert (low <= up).all()
            assert (up <= high).all()
            assert (low < high).all()
            widths.append((high - low)[10:90].mean())
        assert widths[1] > 1.8 * widths[0]


def test_a_ranking_without_a_mistake_has_a_band() -> None:
    truth = np.repeat([0, 1], 20)
    roc, curve = draw(Answers(np.eye(2)[truth] * 0.8 + 0.1, truth))
    assert roc.up[0] == curve.up[-1] == 1.0
    assert roc.low[0] == curve.low[-1] == pytest.approx(measure_wilson(20, 20)[0], abs=1e-6)


def test_of_many_classes_the_worst_are_drawn_and_one_without_images_never_is() -> None:
    answers = make_answers(2_000, 12)
    names = [str(place) for place in range(12)]
    areas = {name: roc_auc_score(answers.truth == int(name), answers.scores[:, int(name)]) for name in names}
    assert [label for label, *_ in list_sides(answers, names)] == sorted(names, key=lambda name: areas[name])[:3]
    lacking = Answers(answers.scores[:, :3], np.minimum(answers.truth, 1))
    assert [label for label, *_ in list_sides(lacking, names[:3])] == ["0", "1"]


def test_reliability_counts_what_came_true() -> None:
    answers = make_answers(1_000)
    found = measure_reliability(answers, TWO)
    assert found.of == "ill"
    assert sum(one.images for one in found.bins) == 1_000
    assert len(found.bins) == 10
    assert sum(one.images * one.observed for one in found.bins) == pytest.approx(answers.truth.sum())
    assert sum(one.images * one.predicted for one in found.bins) == pytest.approx(answers.scores[:, 1].sum())
    for one in found.bins:
        assert one.interval == measure_wilson(round(one.observed * one.images), one.images)


def test_reliability_of_several_classes_is_that_of_the_likeliest() -> None:
    answers = make_answers(500, 4)
    found = measure_reliability(answers, ("a", "b", "c", "d"))
    assert found.of == "likeliest"
    assert sum(one.images * one.observed for one in found.bins) == pytest.approx(answers.right.sum())


def test_net_benefit_is_that_of_its_definition() -> None:
    answers = make_answers()
    question = build_question(answers, TWO, ["ill"])
    curve = measure_decision_curve(question)
    assert len(curve.thresholds) == 99
    for place in (0, 19, 49, 98):
        threshold = curve.thresholds[place]
        given, harm = question.scores >= threshold, threshold / (1 - threshold)
        right, wrong = (given & question.truth).mean(), (given & ~question.truth).mean()
        assert curve.model[place] == pytest.approx(right - wrong * harm, abs=1e-6)
        assert curve.everyone[place] == pytest.approx(question.truth.mean() - (~question.truth).mean() * harm, abs=1e-6)
    assert set(curve.nobody) == {0.0}
    assert {"all", "none", "model"} <= set(curve.to_json())


def test_histograms_count_each_image_once() -> None:
    answers = make_answers()
    ill, healthy = measure_histograms(answers, TWO)
    assert (ill.true_label, healthy.true_label, ill.of) == ("ill", "healthy", "ill")
    assert sum(ill.counts) == answers.truth.sum()
    assert sum(healthy.counts) == (1 - answers.truth).sum()


def test_accuracy_over_coverage_ends_with_all_images() -> None:
    answers = make_answers()
    curve = measure_risk_coverage(answers)
    assert curve is not None
    assert curve.coverage[-1] == 1.0
    assert curve.accuracy[-1] == answers.right.mean()
    for share, accuracy, least in zip(curve.coverage, curve.accuracy, curve.least_confidence, strict=True):
        kept = answers.scores.max(1) >= least
        assert (kept.mean(), answers.right[kept].mean()) == (share, accuracy)
    assert list(curve.coverage) == sorted(set(curve.coverage))


def test_images_with_several_labels_have_a_curve_for_each_label() -> None:
    chance = np.random.default_rng(0)
    truth = (chance.random((200, 2)) < 0.4).astype(np.int64)
    scores = (truth * 0.3 + chance.random((200, 2)) * 0.7).clip(0, 1)
    answers = SetAnswers(scores, truth, (scores > 0.5).astype(np.int64))
    assert [curve.label for curve in measure_ranking_curves(answers, ("a", "b"))] == ["a", "a", "b", "b"]
    assert sum(one.images for one in measure_reliability(answers, ("a", "b")).bins) == 400
    assert measure_risk_coverage(answers) is None


def test_nothing_has_more_than_200_points_and_all_of_it_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BAND_WORK", 1)
    answers = make_answers(5_000)
    question = build_question(answers, TWO, ["ill"])
    risk = measure_risk_coverage(answers)
    assert risk is not None
    found = [one.to_json() for one in (*draw(answers), measure_decision_curve(question), risk)]
    found += [one.to_json() for one in (*measure_histograms(answers, TWO), measure_reliability(answers, TWO))]
    found += [measure_curves(answers, TWO, positives=["ill"]).to_json()]
    for one in found:
        assert all(len(value) <= 200 for value in one.values() if isinstance(value, tuple | list))
        json.dumps(one, allow_nan=False)


def test_a_part_has_a_decision_curve_where_there_is_a_question() -> None:
    two, many = measure_curves(make_answers(), TWO), measure_curves(make_answers(classes=3), ("a", "b", "c"))
    assert two.decision is not None
    assert two.decision.positives == ("ill",)
    assert many.decision is None
    asked = measure_curves(make_answers(classes=3), ("a", "b", "c"), positives=["b", "c"])
    assert asked.decision is not None
    assert asked.decision.positives == ("b", "c")


def test_a_part_of_one_class_has_the_curves_that_it_can_have() -> None:
    answers = make_answers()
    found = measure_curves(answers.take(answers.truth == 1), TWO)
    assert found.ranking == found.histograms == ()
    assert found.risk_coverage is not None
