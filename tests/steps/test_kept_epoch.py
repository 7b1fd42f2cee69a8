"""Where the epoch kept is worse than the head that it began with, by another figure than chose it, that is said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from sightx_cli import fit
from sightx_cli.recipe.stage_titles import CARRIED, SOLVED
from sightx_cli.steps.kept_epoch import Epoch, describe_lost_figures
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel

HEADLINE = SingleLabel(("a", "b")).headline


def row(epoch: int, best: str = "yes", stage: str = "last:2", **figures: float) -> Epoch:
    return {"stage": stage, "epoch": epoch, "epochs": 6, "best": best, "train_loss": 0.1, **figures}


def head(**figures: float) -> Epoch:
    return row(0, stage=SOLVED, **figures)


def test_a_lower_accuracy_and_a_higher_log_loss_are_said_with_the_heads_beside_them() -> None:
    history = [
        head(valid_loss=0.28, accuracy=0.95, roc_auc=0.975),
        row(1, valid_loss=0.29, accuracy=0.94, roc_auc=0.98),
        row(2, valid_loss=0.31, accuracy=0.93, roc_auc=0.981),
        row(3, "", valid_loss=0.5, accuracy=0.9, roc_auc=0.97),
    ]
    found = describe_lost_figures(history, "roc_auc", HEADLINE)
    assert found is not None
    assert (found.kind, found.count) == ("kept-epoch", 2)
    assert found.text == (
        "the kept epoch is chosen by ROC AUC (0.981, the head alone 0.975); its log loss is 0.310, the head's was "
        "0.280 and its accuracy is 0.930, the head's was 0.950 (validation images, before any temperature). To choose "
        "by log loss: --set training.metric=loss"
    )
    by_loss = describe_lost_figures(
        [head(valid_loss=0.3, accuracy=0.9), row(1, valid_loss=0.2, accuracy=0.8)], "loss", HEADLINE
    )
    assert by_loss is not None
    assert (
        "chosen by log loss (0.200, the head alone 0.300); its accuracy is 0.800, the head's was 0.900" in by_loss.text
    )
    assert by_loss.text.endswith("--set training.metric=accuracy")


@pytest.mark.parametrize(
    "history",
    [
        [],
        [head(valid_loss=0.3, accuracy=0.9, roc_auc=0.9), row(1, valid_loss=0.2, accuracy=0.9, roc_auc=0.95)],
        [head(valid_loss=0.3, accuracy=0.9, roc_auc=0.9), row(1, valid_loss=0.3004, accuracy=0.9, roc_auc=0.95)],
        [head(valid_loss=0.3, accuracy=0.9, roc_auc=0.9), row(1, "", valid_loss=0.5, accuracy=0.8, roc_auc=0.8)],
        [row(1, valid_loss=0.3, accuracy=0.9, roc_auc=0.9), row(2, valid_loss=0.5, accuracy=0.9, roc_auc=0.95)],
        [head(valid_loss=float("nan"), accuracy=0.9), row(1, valid_loss=0.5, accuracy=0.9, roc_auc=0.95)],
    ],
    ids=["nothing trained", "better by all", "the same as shown", "the head is kept", "no head", "a loss unknown"],
)
def test_where_nothing_was_lost_nothing_is_said(history: list[Epoch]) -> None:
    assert describe_lost_figures(history, "roc_auc", HEADLINE) is None


def test_the_head_that_the_stages_began_with_is_the_better_of_two() -> None:
    carried = row(0, stage=CARRIED, valid_loss=0.2, accuracy=0.9, roc_auc=0.92)
    solved = row(0, "", SOLVED, valid_loss=0.1, accuracy=0.9, roc_auc=0.9)
    found = describe_lost_figures(
        [carried, solved, row(1, valid_loss=0.3, accuracy=0.9, roc_auc=0.95)], "roc_auc", HEADLINE
    )
    assert found is not None
    assert "the head alone 0.920); its log loss is 0.300, the head's was 0.200" in found.text


def test_of_several_labels_the_figure_that_people_ask_for_is_looked_at() -> None:
    task = MultiLabel(("a", "b"))
    before, after = {"valid_loss": 0.3, task.headline.name: 0.9}, {"valid_loss": 0.2, task.headline.name: 0.8}
    found = describe_lost_figures([head(**before), row(1, **after)], "loss", task.headline)
    assert found is not None
    assert f"its {task.headline.title} is 0.800, the head's was 0.900" in found.text


def test_a_fit_whose_kept_epoch_has_a_higher_log_loss_says_so(
    digits: Path, random_weights: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = fit(
        digits,
        recipe="natural-small",
        backbone="test_resnet",
        weights=random_weights("test_resnet"),
        engine="torch",
        seed=4,
        full=True,
        folds=0,
        settings=("image.size_px=32", "training.metric=roc_auc", 'stage=[{train="head",epochs=6,rate=5}]'),
    )
    history = pd.read_csv(result.run / "history.csv")
    first, kept = history.iloc[0], history[history["best"] == "yes"].iloc[-1]
    assert kept["epoch"] > 0
    assert kept["valid_loss"] > first["valid_loss"] + 0.1  # a rate this high makes the head too sure of itself
    [said] = [notice for notice in result.notices if notice.kind == "kept-epoch"]
    assert f"its log loss is {kept['valid_loss']:.3f}, the head's was {first['valid_loss']:.3f}" in said.text
    written = json.loads((result.run / "metrics.json").read_text())
    assert said.to_json() in written["facts"]["notices"]
    assert f"its log loss is {kept['valid_loss']:.3f}" in (result.run / "report.html").read_text()
