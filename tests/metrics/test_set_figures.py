"""The figures of images with several labels are scikit-learn's, and resample as the images that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as known

from sightx_cli.errors import DataError
from sightx_cli.metrics.answers import Answers, SetAnswers, check_set_answers
from sightx_cli.metrics.figures import measure_answers
from sightx_cli.metrics.intervals import measure_answer_intervals, measure_wilson
from sightx_cli.metrics.label_report import LabelFigures, measure_label_report
from sightx_cli.metrics.metric import MULTI_LABEL, SINGLE_LABEL
from sightx_cli.metrics.ranks import linearise_area, linearise_precision, weigh_area, weigh_precision
from sightx_cli.metrics.registry import METRICS

LABELS = ("a", "b", "c")
OWN = [name for name, metric in METRICS.items() if MULTI_LABEL in metric.kinds]


def make_answers(images: int = 200, seed: int = 0, labels: int = 3) -> SetAnswers:
    """Labels of different frequency, scores that know something of them, rounded so that some are equal."""
    chance = np.random.default_rng(seed)
    truth = (chance.random((images, labels)) < np.linspace(0.2, 0.6, labels)).astype(np.int64)
    scores = (0.5 + 0.25 * (truth - 0.5) + chance.normal(0, 0.2, truth.shape)).clip(0.01, 0.99).round(2)
    return SetAnswers(scores, truth, (scores >= 0.5).astype(np.int64))


def take(answers: SetAnswers, places: Any) -> SetAnswers:
    return SetAnswers(answers.scores[places], answers.truth[places], answers.decided[places])


def read_labels(answers: SetAnswers, together: Sequence[str] = ()) -> list[LabelFigures]:
    report = measure_label_report(answers, LABELS[: answers.classes], [0.5] * answers.classes, together)
    return [one for one in report.classes if isinstance(one, LabelFigures)]


def test_the_figures_are_those_of_scikit_learn() -> None:
    answers = make_answers()
    truth, scores, decided = answers.truth, answers.scores, answers.decided
    found = measure_answers(answers, MULTI_LABEL)
    assert {name: value for name, value in found.items() if not name.startswith("calibration")} == pytest.approx(
        {
            "mean_average_precision": known.average_precision_score(truth, scores, average="macro"),
            "macro_roc_auc": known.roc_auc_score(truth, scores, average="macro"),
            "micro_roc_auc": known.roc_auc_score(truth, scores, average="micro"),
            "macro_f1": known.f1_score(truth, decided, average="macro"),
            "micro_f1": known.f1_score(truth, decided, average="micro"),
            "exact_match": known.accuracy_score(truth, decided),
            "hamming_loss": known.hamming_loss(truth, decided),
            "loss": np.mean([known.log_loss(truth[:, place], scores[:, place]) for place in range(3)]),
            "brier": 2 * ((truth - scores) ** 2).mean(),
        }
    )


@pytest.mark.parametrize("name", OWN)
def test_a_resample_is_measured_as_the_images_it_stands_for(name: str) -> None:
    answers = make_answers()
    places = np.random.default_rng(3).integers(0, 200, 200)
    weights = np.bincount(places, minlength=200)[None].astype(float)
    resampled = METRICS[name].resample(answers, weights)
    assert resampled is not None
    moves = name.startswith("calibration")  # its bins are those of all images, or it moves one step from their fit
    assert resampled[0] == pytest.approx(METRICS[name].measure(take(answers, places)), abs=0.15 if moves else 1e-9)


@pytest.mark.parametrize("together", [[], [f"p{place // 4}" for place in range(200)]])
def test_every_interval_holds_its_figure_and_groups_widen_it(together: list[str]) -> None:
    answers = make_answers()
    found = measure_answers(answers, MULTI_LABEL)
    intervals = measure_answer_intervals(answers, MULTI_LABEL, together)
    assert list(intervals) == list(found) == OWN
    for name in OWN:
        interval, value = intervals[name], found[name]
        assert interval is not None
        assert value is not None
        assert interval[0] < value < interval[1]


def test_a_label_that_no_image_has_is_left_out_and_its_own_figures_are_none() -> None:
    answers = make_answers()
    lacking = SetAnswers(answers.scores, answers.truth * np.array([1, 1, 0]), answers.decided)
    two = SetAnswers(answers.scores[:, :2], answers.truth[:, :2], answers.decided[:, :2])
    found, expected = (measure_answers(one, MULTI_LABEL) for one in (lacking, two))
    for name in ("mean_average_precision", "macro_roc_auc", "macro_f1"):
        assert found[name] == pytest.approx(expected[name])
    label = read_labels(lacking)[2]
    assert (label.sensitivity, label.roc_auc, label.average_precision, label.support) == (None, None, None, 0)
    assert label.specificity is not None
    assert label.intervals["sensitivity"] is None


def test_without_any_label_only_what_counts_mistakes_has_a_meaning() -> None:
    answers = make_answers()
    none = SetAnswers(answers.scores, np.zeros_like(answers.truth), answers.decided)
    found = {name for name, value in measure_answers(none, MULTI_LABEL).items() if value is not None}
    assert found == {"exact_match", "hamming_loss", "loss", "brier", "calibration_error"}
    intervals = measure_answer_intervals(none, MULTI_LABEL)
    assert {name for name, value in intervals.items() if value is not None} == found


@pytest.mark.parametrize("together", [[], [f"p{place // 2}" for place in range(40)]])
def test_all_right_is_never_certain(together: list[str]) -> None:
    truth = np.stack([np.repeat([1, 0], [10, 30]), np.repeat([0, 1], [20, 20])], axis=1)
    answers = SetAnswers(np.where(truth == 1, 0.9, 0.1), truth, truth)
    found = measure_answer_intervals(answers, MULTI_LABEL, together)
    for name in ("exact_match", "mean_average_precision", "macro_roc_auc", "micro_roc_auc", "macro_f1", "micro_f1"):
        low, high = found[name] or (1.0, 0.0)
        assert 0.5 < low < 0.97
        assert high == 1.0
    low, high = found["hamming_loss"] or (1.0, 0.0)
    assert low == 0.0
    assert high == pytest.approx(measure_wilson(0, 5 if together else 10)[1], abs=0.05)
    for label in read_labels(answers, together):
        for interval in label.intervals.values():
            assert interval is not None
            assert interval[0] < 0.95
            assert interval[1] == 1.0


ranking = st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(1, 3)), min_size=4, max_size=30)


@given(ranking)
@settings(max_examples=60, deadline=None)
def test_a_contribution_is_what_one_image_more_changes(rows: list[tuple[int, bool, int]]) -> None:
    scores, positive = (np.array(column) for column in tuple(zip(*rows, strict=True))[:2])
    if positive.all() or not positive.any():
        return
    scores = scores.astype(float)
    for linearise, weigh in ((linearise_precision, weigh_precision), (linearise_area, weigh_area)):
        value, contributions = linearise(scores, positive)
        once = np.ones((1, len(scores)))
        assert value == pytest.approx(weigh(once, scores, positive)[0])
        assert contributions.sum() == pytest.approx(0, abs=1e-9)
        step = 1e-6
        moved = (weigh(once + step * np.eye(len(scores)), scores, positive) - value) / step
        np.testing.assert_allclose(contributions, moved, atol=1e-4)


@pytest.mark.parametrize("name", OWN)
def test_contributions_spread_as_resamples_do(name: str) -> None:
    answers = make_answers(600)
    value, contributions = METRICS[name].linearise(answers) or (0.0, np.empty(0))
    assert value == pytest.approx(METRICS[name].measure(answers))
    weights = np.random.default_rng(0).multinomial(600, np.full(600, 1 / 600), 400).astype(float)
    counted = METRICS[name].resample(answers, weights)
    assert counted is not None
    if name != "calibration_error":  # a sum of absolute values: each resample may turn some of them around
        assert np.corrcoef(counted, weights @ contributions)[0, 1] > 0.98


def test_each_label_has_its_figures_with_intervals() -> None:
    answers = make_answers()
    for place, one in enumerate(read_labels(answers)):
        truth, decided = answers.truth[:, place], answers.decided[:, place]
        assert one.sensitivity == pytest.approx(known.recall_score(truth, decided))
        assert one.specificity == pytest.approx(known.recall_score(1 - truth, 1 - decided))
        assert one.precision == pytest.approx(known.precision_score(truth, decided))
        assert one.roc_auc == pytest.approx(known.roc_auc_score(truth, answers.scores[:, place]))
        assert one.average_precision == pytest.approx(known.average_precision_score(truth, answers.scores[:, place]))
        counts = [[one.true_negatives, one.false_positives], [one.false_negatives, one.true_positives]]
        assert counts == known.confusion_matrix(truth, decided).tolist()
        assert one.intervals["sensitivity"] == measure_wilson(one.true_positives, one.support)
        for name in ("sensitivity", "specificity", "precision", "roc_auc", "average_precision"):
            low, high = one.intervals[name] or (1, 0)
            assert low < getattr(one, name) < high


def test_images_of_one_patient_are_resampled_together() -> None:
    answers = make_answers(40)
    repeated = take(answers, np.repeat(np.arange(40), 10))
    patients = [f"p{place // 10}" for place in range(400)]
    by_image, by_patient = read_labels(repeated)[1], read_labels(repeated, patients)[1]
    for name in ("sensitivity", "specificity", "roc_auc", "average_precision"):
        narrow, wide = by_image.intervals[name], by_patient.intervals[name]
        assert narrow is not None
        assert wide is not None
        assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


@pytest.mark.parametrize("truth", [[0, 1], [[0, 1, 1]], [[0, 2]], np.zeros((0, 2))])
def test_shapes_and_numbers_that_do_not_fit_are_refused(truth: Any) -> None:
    with pytest.raises(DataError):
        check_set_answers(np.full((len(truth), 2), 0.5), truth, np.zeros((len(truth), 2)), ("a", "b"))


def test_each_label_is_a_question_of_two_classes_to_what_judges_probabilities() -> None:
    answers = make_answers(300)
    scores = answers.scores.ravel()
    asked = Answers(np.stack([1 - scores, scores], axis=1), answers.truth.ravel())
    there, here = measure_answers(answers, MULTI_LABEL), measure_answers(asked, SINGLE_LABEL)
    patients = [f"p{place // 3}" for place in range(900)]
    intervals = measure_answer_intervals(answers, MULTI_LABEL)
    expected = measure_answer_intervals(asked, SINGLE_LABEL, patients)
    for name in ("brier", "calibration_error", "calibration_slope", "calibration_intercept"):
        assert there[name] == pytest.approx(here[name])
        interval, wanted = intervals[name], expected[name]
        assert interval is not None
        assert wanted is not None
        assert interval[1] - interval[0] == pytest.approx(wanted[1] - wanted[0], rel=0.15)
