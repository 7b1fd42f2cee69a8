"""A report says what was trained, not what was planned, and each thing once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sightx_cli.report.report_rows import describe_leaks, list_making_rows

if TYPE_CHECKING:
    from sightx_cli.results.fit import FitResult

HEAD = {"stage": "solved head", "epoch": 0, "epochs": 0}


def list_two(stage: str = "2 of 2: last:2", epochs: int = 3, trained: int = 1) -> list[dict[str, Any]]:
    return [HEAD, *({"stage": stage, "epoch": epoch + 1, "epochs": epochs} for epoch in range(trained))]


def build(history: list[dict[str, Any]], stage: str, epoch: int) -> dict[str, Any]:
    plan = [["trains", "the head, then the last two of eight stages for 3 epochs"], ["ends early", "a stage that …"],
            ["network", "lite0"], ["epoch kept", "the best on the validation images by accuracy"]]  # fmt: skip
    best = {"stage": stage, "epoch": epoch, "metric": "accuracy"}
    return {"best": best, "facts": {"plan": plan, "history": history, "recipe": "medical-medium"}}


def test_a_stage_that_was_ended_is_told_as_ended_and_the_solved_head_as_kept() -> None:
    rows = list_making_rows(build(list_two(), "solved head", 0))
    told = dict(rows)
    assert len(told) == len(rows), "no row twice"
    assert told["trained"] == (
        "the linear head, fitted directly to its least loss; stage 2 of 2: last 2 stages and head for 1 of 3 epochs, "
        "then ended"
    )
    assert told["epoch kept"] == (
        "the linear head, fitted directly to its least loss: the best by accuracy on the validation images"
    )
    assert told["network"] == "lite0"
    assert not {"trains", "ends early"} & set(told)


def test_a_stage_that_went_to_its_end_and_its_epoch_are_told() -> None:
    told = dict(list_making_rows(build(list_two(trained=3), "2 of 2: last:2", 2)))
    assert told["trained"].endswith("; stage 2 of 2: last 2 stages and head for 3 epochs")
    assert told["epoch kept"].startswith("stage 2 of 2: last 2 stages and head, epoch 2: the best by accuracy")


def test_without_a_history_the_plan_is_told() -> None:
    assert dict(list_making_rows(build([], "solved head", 0)))["trains"].startswith("the head, then")


def test_the_report_and_the_card_of_a_run_tell_what_was_trained_once(digits_run: FitResult) -> None:
    page, card = ((digits_run.run / name).read_text(encoding="utf-8") for name in ("report.html", "model_card.md"))
    assert page.count(">epoch kept<") == 1
    assert card.count("- epoch kept: ") == 1
    assert "- trained: the linear head, fitted directly to its least loss; stage" in card
    metrics = json.loads((digits_run.run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["facts"]["history"][-1]["epochs"] == 3
    assert "for 3 epochs" in card


def test_the_leak_check_is_told_in_words() -> None:
    leaks = {"files": 0, "groups": 0, "allowed": False, "copies": 53, "copies_among": 100}
    assert describe_leaks({"leaks": leaks}) == (
        "no file and no group is on both sides of the split; 53 of the 100 validation images most like a training "
        "image are copies of it"
    )
    leaks = {"files": 1, "groups": 1200, "allowed": True, "group_by": "patient"}
    assert describe_leaks({"leaks": leaks}) == (
        "1 file is on both sides of the split; 1,200 groups are on both sides of the split; groups by patient, which "
        "names or tags suggest; allowed with --allow-leaks"
    )
    assert describe_leaks({}) == "no file and no group is on both sides of the split"


def test_the_leak_check_of_an_evaluation_tells_what_was_compared() -> None:
    none = {"metrics": {}, "trained_on": 0}
    assert describe_leaks({**none, "trained_on": None}) == (
        "not known: the run has no list of the images that it was trained on (split.csv)"
    )
    assert describe_leaks(none) == "none of these images was trained on, by their bytes"
    shared = {"by": "patient", "images": 0, "groups": 0}
    assert describe_leaks({**none, "trained_groups": shared}) == (
        "none of these images was trained on, by their bytes, and none of their groups, by patient"
    )
    assert describe_leaks({**none, "trained_on": 5, "trained_groups": {**shared, "images": 1, "groups": 1}}) == (
        "5 of these images were trained on, by their bytes; 1 of them has a group, by patient, that was trained on"
    )
