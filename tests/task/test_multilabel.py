"""Several labels for each image: each is a question of its own, in training, in decisions and in what is written."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from sightx_cli.errors import UsageError
from sightx_cli.probe.linear_head import list_splits, solve_linear_head
from sightx_cli.task.kinds import choose_task, load_task
from sightx_cli.task.multilabel import MultiLabel, build_binary_loss

TASK = MultiLabel(("cracked", "dark", "old"))
PROBABILITIES = np.array([[0.9, 0.2, 0.6], [0.1, 0.4, 0.3]], np.float32)


def make_images(images: int = 300, seed: int = 0) -> tuple[Any, Any]:
    """Features that tell three labels, the last one rare, from each other, with some noise."""
    chance = np.random.default_rng(seed)
    targets = (chance.random((images, 3)) < (0.5, 0.4, 0.06)).astype(np.int64)
    features = targets @ chance.normal(0, 1, (3, 20)) + chance.normal(0, 1, (images, 20))
    return features.astype(np.float32), targets


# --- cells ---


def test_a_cell_becomes_a_target_for_each_label_and_a_prediction_a_cell_again() -> None:
    targets = TASK.number(["cracked;old", "", "dark"])
    assert targets.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    row = TASK.fill_row(PROBABILITIES[0])
    assert TASK.columns == ("predictions", "p_cracked", "p_dark", "p_old")
    assert row == {"predictions": "cracked;old"} | {
        name: pytest.approx(p) for name, p in zip(TASK.columns[1:], (0.9, 0.2, 0.6), strict=True)
    }
    assert TASK.split_prediction(row["predictions"]) == ("cracked", "old")


def test_no_label_is_an_empty_cell_and_so_is_an_image_that_could_not_be_read() -> None:
    assert TASK.fill_row(PROBABILITIES[1])["predictions"] == ""
    assert TASK.split_prediction("") == ()
    unread = TASK.fill_row(None)
    assert unread["predictions"] == ""
    assert {unread[name] for name in TASK.columns[1:]} == {None}


def test_labels_with_a_semicolon_are_joined_by_another_mark() -> None:
    task = MultiLabel(("a;1", "b"), separator="|")
    assert task.number(["a;1|b"]).tolist() == [[1, 1]]
    assert task.fill_row(np.array([0.7, 0.8], np.float32))["predictions"] == "a;1|b"


def test_a_label_without_images_is_named() -> None:
    assert TASK.find_missing(TASK.number(["cracked", ""])) == ["dark", "old"]


# --- decisions ---


def test_each_label_has_a_threshold_of_its_own() -> None:
    strict = TASK.set_thresholds({"old": 0.7, "dark": 0.1, "cracked": 0.5})
    assert TASK.decide(PROBABILITIES).tolist() == [[1, 0, 1], [0, 0, 0]]
    assert strict.decide(PROBABILITIES).tolist() == [[1, 1, 0], [0, 1, 0]]
    assert TASK.measure_margins(PROBABILITIES) == pytest.approx([0.1, 0.1])
    assert strict.measure_margins(PROBABILITIES) == pytest.approx([0.1, 0.3])
    assert strict.differ(PROBABILITIES, PROBABILITIES + np.float32(0.15)).tolist() == [True, False]


def test_thresholds_that_are_not_those_of_the_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="one for each label"):
        TASK.set_thresholds({"cracked": 0.5})
    with pytest.raises(ValueError, match="null for single-label"):
        load_task({"kind": "single-label", "classes": ["a", "b"]}).set_thresholds({"a": 0.5, "b": 0.5})


def test_thresholds_are_chosen_and_said() -> None:
    features, targets = make_images()
    found = solve_linear_head(features, targets, TASK, False).predict(features)
    settled = TASK.settle(found, targets)
    chosen = settled.list_thresholds()
    assert chosen is not None
    assert list(chosen) == list(TASK.classes)
    assert all(0 < edge < 1 for edge in chosen.values())
    assert f"dark {chosen['dark']:.2f}" in settled.describe_thresholds()
    assert (TASK.list_thresholds(), TASK.describe_thresholds()) == (None, "")


def test_of_many_thresholds_the_first_are_said() -> None:
    task = MultiLabel(tuple(f"label {n}" for n in range(20)))
    said = task.settle(np.full((4, 20), 0.5, np.float32), np.ones((4, 20), np.int64)).describe_thresholds()
    assert said.endswith("label 7 0.50 and 12 more")


def test_no_fold_is_judged_by_thresholds_that_were_chosen_on_it() -> None:
    chance = np.random.default_rng(0)
    targets = (chance.random((200, 3)) < 0.3).astype(np.int64)
    scores = chance.random((200, 3)).astype(np.float32)  # of chance: only who has seen them decides well
    folds = np.repeat([1, 2], 100)
    found = TASK.measure_fold_figures(scores, targets, folds, [""] * 200)
    decided = np.zeros_like(targets)
    for fold in (1, 2):
        here = folds == fold
        decided[here] = TASK.settle(scores[~here], targets[~here]).decide(scores[here])
    right = [(decided[folds == fold] == targets[folds == fold]).all(1).mean() for fold in (1, 2)]
    assert found.metrics["exact_match"] == pytest.approx(np.mean(right))


# --- the network and its head ---


def test_logits_become_the_same_probabilities_in_numpy_and_in_torch() -> None:
    logits = np.array([[1.0, -500.0, 500.0], [0.0, -3.0, 0.5]], np.float32)
    found = TASK.build_activation()(torch.from_numpy(logits)).numpy()
    np.testing.assert_allclose(TASK.activate(logits), found, atol=1e-7)


def test_the_loss_is_the_binary_cross_entropy_and_the_figure_is_the_same() -> None:
    logits, targets = torch.randn(12, 3), torch.randint(0, 2, (12, 3))
    found = TASK.build_loss(None, 0.0)(logits, targets)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets.float())
    torch.testing.assert_close(found, expected)
    figures = TASK.measure_figures(torch.sigmoid(logits).numpy(), targets.numpy())
    assert figures["loss"] == pytest.approx(float(expected), rel=1e-5)


def test_both_sides_of_a_label_weigh_the_same_and_the_images_as_much_as_before() -> None:
    _, targets = make_images()
    weight = torch.tensor(TASK.weigh_classes(targets), dtype=torch.float32)
    wrong = torch.zeros(len(targets), 3)  # the loss of each cell is ln 2
    truth = torch.from_numpy(targets)
    loss = build_binary_loss(weight, 0.0)
    assert float(loss(wrong, truth)) == pytest.approx(np.log(2), rel=1e-5)
    right = torch.where(truth == 1, 60.0, -60.0)
    for label in range(3):
        sides = []
        for side in (0, 1):
            logits = right.clone()
            logits[:, label][truth[:, label] == side] = 0.0
            sides.append(float(loss(logits, truth)))
        assert sides[0] == pytest.approx(sides[1], rel=1e-4)


def test_label_smoothing_moves_both_targets_inward() -> None:
    logits, targets = torch.randn(6, 3), torch.randint(0, 2, (6, 3))
    smoothed = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets * 0.8 + 0.1)
    torch.testing.assert_close(build_binary_loss(None, 0.2)(logits, targets), smoothed)


@pytest.mark.parametrize("balanced", [True, False])
def test_the_head_is_one_logistic_regression_for_each_label(balanced: bool) -> None:
    features, targets = make_images()
    model = TASK.build_regression(0.1, balanced, 1e-6).fit(features, targets)
    found = model.predict(features)
    for label in range(3):
        known = LogisticRegression(C=0.1, class_weight="balanced" if balanced else None, tol=1e-6)
        expected = known.fit(features, targets[:, label]).predict_proba(features)[:, 1]
        np.testing.assert_allclose(found[:, label], expected, atol=2e-3)
    weight, bias = model.read()
    np.testing.assert_allclose(TASK.activate(features @ weight.T + bias), found, atol=1e-5)
    losses = TASK.measure_losses(found.astype(np.float64), targets)
    assert model.measure_loss(features, targets) == pytest.approx(losses.sum(), rel=1e-4)


def test_a_label_that_all_images_have_or_none_is_not_solved_but_known() -> None:
    features, targets = make_images(60)
    targets[:, 1], targets[:, 2] = 1, 0
    found = TASK.build_regression(0.1, False, 1e-4).fit(features, targets).predict(features)
    assert found[:, 1].min() > 0.999
    assert found[:, 2].max() < 0.001
    assert found[:, 0].std() > 0.05


def test_a_rare_label_does_not_keep_the_penalty_from_being_chosen() -> None:
    features, targets = make_images(120)
    targets[:, 2] = 0
    targets[7, 2] = 1
    splits = list_splits(TASK.find_strata(targets), [""] * 120, 0)
    assert len(splits) == 3
    assert sorted(np.concatenate([judge for _, judge in splits]).tolist()) == list(range(120))
    solved = solve_linear_head(features, targets, TASK, True)
    assert solved.predict(features).shape == (120, 3)


# --- which task, and which metric ---


def test_a_separator_makes_it_several_labels_and_a_bundle_gives_the_task_back() -> None:
    from sightx_cli.recipe.catalog import find_recipe

    recipe = find_recipe("medical-small")[0]
    task = choose_task(("a", "b"), recipe, "|")
    assert task == MultiLabel(("a", "b"), "|")
    settled = task.set_thresholds({"a": 0.25, "b": 0.75})
    kept = json.loads(json.dumps({"task": settled.to_json(), "thresholds": settled.list_thresholds()}))
    assert "thresholds" not in kept["task"]
    assert load_task(kept["task"]).set_thresholds(kept["thresholds"]) == settled
    with pytest.raises(ValueError, match="separator"):
        load_task({"kind": "multi-label", "classes": ["a", "b"], "separator": ","})


def test_several_grades_of_one_image_are_refused() -> None:
    from sightx_cli.recipe.catalog import find_recipe

    recipe = find_recipe("medical-small")[0].model_copy(update={"ordered": True})
    with pytest.raises(UsageError, match="in no order") as caught:
        choose_task(("1", "2"), recipe, ";")
    assert "--no-multi-label" in caught.value.hint


@pytest.mark.parametrize("own", ["accuracy", "roc_auc", "quadratic_kappa", "balanced_accuracy"])
def test_the_mean_average_precision_takes_the_place_of_what_has_no_meaning_here(own: str) -> None:
    assert TASK.choose_metric(own, by_user=False) == "mean_average_precision"
    with pytest.raises(UsageError, match="mean_average_precision, macro_roc_auc") as caught:
        TASK.choose_metric(own, by_user=True)
    assert caught.value.hint == "--set training.metric=mean_average_precision"


@pytest.mark.parametrize("own", ["loss", "macro_f1", "mean_average_precision"])
def test_a_metric_of_several_labels_stays(own: str) -> None:
    assert TASK.choose_metric(own, by_user=False) == TASK.choose_metric(own, by_user=True) == own


def test_every_label_given_is_named_and_where_there_is_none_the_one_nearest_to_its_threshold() -> None:
    task = MultiLabel(("a", "b", "c"), thresholds=(0.5, 0.9, 0.3))
    assert task.name_classes(np.array([0.6, 0.6, 0.3], np.float32)) == ("a", "c")
    assert task.name_classes(np.array([0.1, 0.6, 0.25], np.float32)) == ("c",)


def test_a_label_is_a_question_of_its_own() -> None:
    assert MultiLabel(("a", "b", "c")).weigh_logits("b").tolist() == [0, 1, 0]
