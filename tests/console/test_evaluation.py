"""What `evaluate` and `compare` say of a threshold and of a pair of models."""

from __future__ import annotations

from pathlib import Path

from sightx_cli.console.evaluation import describe_threshold
from sightx_cli.metrics.answers import check_answers
from sightx_cli.metrics.operating_points import build_question, measure_decision
from sightx_cli.metrics.paired import McNemar, PairedDifference
from sightx_cli.results.calibration import OUT_OF_FOLD
from sightx_cli.results.compare import ComparedModel, ComparedPair, describe_pair
from sightx_cli.results.evaluate import MeasuredDecision


def test_a_threshold_is_said_with_what_it_was_chosen_on_and_one_false_alarm_is_one() -> None:
    answers = check_answers([[0.2, 0.8], [0.4, 0.6], [0.9, 0.1]], [1, 0, 0], ("a", "b"))
    reached = measure_decision(build_question(answers, ("a", "b"), ("b",)), 0.5, ["", "", ""], (), None)
    said = describe_threshold(MeasuredDecision(("b",), 0.5, "sensitivity 0.9", OUT_OF_FOLD, None, reached))
    assert said == "sensitivity 0.9, chosen on out-of-fold predictions: 1 of 1 found, 1 false alarm"
    decision = MeasuredDecision(("b",), 0.5, "sensitivity 0.9", OUT_OF_FOLD, None, reached, is_kept=True)
    kept = "predict and evaluate decide by it from now on, the accuracy above is by what decided before"
    assert describe_threshold(decision) == f"{said}; {kept}"


def test_who_is_right_where_two_models_disagree_is_said_by_name() -> None:
    difference = PairedDifference(0.8, 0.7, -0.1, (-0.2, 0.1), 0.3)
    pair = ComparedPair({"accuracy": difference}, McNemar(4, 1, 0.375))
    said = describe_pair(ComparedModel(Path("b"), Path("b"), {}, {}, pair), "a", "accuracy")
    assert "a difference that chance alone can explain" in said
    assert "it gets 1 right that a gets wrong, and 4 wrong that a gets right" in said


def test_a_p_is_never_0_and_of_several_labels_is_named_by_its_figure() -> None:
    difference = PairedDifference(0.8, 0.5, -0.3, (-0.4, -0.2), 1e-9, is_different=True)
    for figures, headline, said in (
        (("accuracy",), "accuracy", "(it gets 2 right that a gets wrong, and 40 wrong that a gets right; McNemar's p "),
        (
            ("mean_average_precision", "exact_match"),
            "mean_average_precision",
            "(by exact match it gets 2 right that a gets wrong, and 40 wrong that a gets right; "
            "McNemar's p of exact match ",
        ),
    ):
        for p, shown in ((1e-9, "< 0.001)"), (0.00099, "< 0.001)"), (0.001, "0.001)"), (0.0416, "0.042)")):
            pair = ComparedPair(dict.fromkeys(figures, difference), McNemar(40, 2, p))
            model = ComparedModel(Path("b"), Path("b"), {}, {}, pair)
            assert describe_pair(model, "a", headline).endswith(said + shown)
