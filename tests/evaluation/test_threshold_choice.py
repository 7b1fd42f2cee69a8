"""A threshold is chosen on what the run kept, never on the images measured, and said with what it rests on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.errors import RunError, UsageError
from sightx_cli.evaluation.kept_predictions import write_predictions
from sightx_cli.evaluation.threshold_choice import Wish, measure_wish, name_positives, read_costs, warn_of_same_images
from sightx_cli.progress import Recorder
from sightx_cli.results.evaluate import MeasuredDecision
from sightx_cli.task.single_label import SingleLabel

TWO = SingleLabel(("fine", "ill"))
THREE = SingleLabel(("none", "mild", "severe"))


def build_facts(task: SingleLabel) -> BundleFacts:
    return BundleFacts(task, 64, "crop", (0.5,) * 3, (0.5,) * 3, "mini_resnet", {}, "natural-small")


def draw(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, 2) of images of two classes, and their targets: the ill ones score higher, mostly."""
    generator = np.random.default_rng(seed)
    targets = np.arange(count) % 2
    scores = 1 / (1 + np.exp(-generator.normal(3.0 * targets - 1.5, 1.5)))
    return np.stack([1 - scores, scores], axis=1).astype(np.float32), targets


def write_run(folder: Path, count: int = 400, seed: int = 1) -> Path:
    """A run that kept its predictions of a valid part."""
    probabilities, targets = draw(count, seed)
    labels = [TWO.classes[target] for target in targets]
    frame = pd.DataFrame({"image": [f"{place}.png" for place in range(count)], "label": labels, "group": ""})
    write_predictions(folder / "predictions" / "valid.csv", frame, probabilities, TWO)
    return folder


def measure(wish: Wish, run: Path, listener: Recorder | None = None, count: int = 400) -> MeasuredDecision | None:
    probabilities, targets = draw(count, 99)
    answers = TWO.check_answers(probabilities, targets)
    return measure_wish(wish, run, build_facts(TWO), answers, [""] * count, listener or Recorder())


def test_a_wished_sensitivity_is_reached_on_images_that_it_was_not_chosen_on(tmp_path: Path) -> None:
    reached = []
    for seed in range(10):
        found = measure(Wish(at_sensitivity=0.95), write_run(tmp_path / str(seed), seed=seed), count=20_000)
        assert found is not None
        reached.append(found.reached.figures["sensitivity"])
    assert 0.93 < np.mean(reached) < 0.97


def test_what_a_threshold_rests_on_is_told(tmp_path: Path) -> None:
    found = measure(Wish(at_sensitivity=0.95), write_run(tmp_path))
    assert found is not None
    assert (found.chosen, found.chosen_on) == ("sensitivity 0.95", "the valid part")
    assert found.wished is not None
    assert found.wished.chosen_on == 200
    assert warn_of_same_images(found, 0) is None
    warned = warn_of_same_images(found, 12)
    assert warned is not None
    assert "12 of these same images" in warned.text


def test_the_threshold_does_not_depend_on_the_images_measured(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    few, many = (measure(Wish(at_specificity=0.9), run, count=count) for count in (20, 400))
    assert few is not None
    assert many is not None
    assert few.threshold == many.threshold


def test_a_wish_that_too_few_images_can_promise_is_warned_of(tmp_path: Path) -> None:
    listener = Recorder()
    measure(Wish(at_sensitivity=0.99), write_run(tmp_path, 60), listener)
    assert "chosen on 30 images" in listener.warnings[0]


def test_the_dearer_a_miss_the_lower_the_threshold(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    cheap, dear = (measure(Wish(cost=f"fn={cost},fp=1"), run) for cost in (1, 20))
    assert cheap is not None
    assert dear is not None
    assert dear.threshold < cheap.threshold
    assert dear.reached.cost is not None


def test_without_a_wish_two_classes_are_decided_by_what_is_more_probable(tmp_path: Path) -> None:
    found = measure(Wish(prevalence=(0.01,)), tmp_path)
    assert found is not None
    assert (found.threshold, found.positives) == (0.5, ("ill",))
    assert found.reached.at_prevalences[0].prevalence == 0.01


def test_of_several_classes_the_positive_ones_must_be_named() -> None:
    facts, listener = build_facts(THREE), Recorder()
    assert name_positives(Wish(), facts, listener) is None
    assert name_positives(Wish(positive="mild, severe"), facts, listener) == ("mild", "severe")
    with pytest.raises(UsageError, match="which count as positive is not said") as refused:
        name_positives(Wish(at_sensitivity=0.9), facts, listener)
    assert refused.value.hint == "add --positive mild,severe"
    with pytest.raises(UsageError, match="there is no class 'grave'"):
        name_positives(Wish(positive="grave"), facts, listener)
    with pytest.raises(UsageError, match="allowed are some, not all"):
        name_positives(Wish(positive="none,mild,severe"), facts, listener)


def test_a_run_that_kept_no_predictions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no predictions"):
        measure(Wish(at_sensitivity=0.9), tmp_path)


@pytest.mark.parametrize("text", ["fn=10", "fn=10,fp=0", "fn=ten,fp=1", "10,1", "fn=1,fp=inf", "fn=1,fp=1,fx=1"])
def test_costs_that_cannot_be_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--cost"):
        read_costs(text)


@pytest.mark.parametrize(
    "asked",
    [
        {"at_sensitivity": 0.9, "at_specificity": 0.9},
        {"at_sensitivity": 0.9, "cost": "fn=1,fp=1"},
        {"at_sensitivity": 1.0},
        {"at_specificity": 0.0},
        {"prevalence": (1.2,)},
        {"keep": True},
    ],
)
def test_a_wish_that_contradicts_itself_is_refused(asked: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Wish(**asked)  # type: ignore[arg-type]


def test_positive_classes_may_be_named_in_another_spelling_which_is_said() -> None:
    listener, facts = Recorder(), build_facts(THREE)
    asked = Wish(positive="MILD, severe ,Mild")
    assert name_positives(asked, facts, listener) == ("mild", "severe")
    assert listener.notes == [
        "--positive: classes read in the model's spelling: 'MILD' as 'mild', 'Mild' as 'mild'",
    ]


def test_a_spelling_that_two_classes_share_names_neither() -> None:
    facts = build_facts(SingleLabel(("A", "a", "B")))
    assert name_positives(Wish(positive="a"), facts, Recorder()) == ("a",)
    assert name_positives(Wish(positive="b"), facts, Recorder()) == ("B",)
    facts = build_facts(SingleLabel(("Ab", "ab", "c")))
    with pytest.raises(UsageError, match="there is no class 'AB'"):
        name_positives(Wish(positive="AB"), facts, Recorder())


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("sevre", "--positive severe"),
        ("mld,severe", "--positive mild,severe"),
        ("nine,Severe", "--positive none,severe"),
        ("mld,xyz", "--positive severe"),
        ("none,mild,sevre", "--positive severe"),
        ("MILD,Severe,none", "--positive severe"),
    ],
)
def test_a_mistyped_positive_class_is_answered_with_the_nearest(given: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"--positive {given}: .*allowed are some, not all, of none, mild") as caught:
        name_positives(Wish(positive=given), build_facts(THREE), Recorder())
    assert caught.value.hint == hint
