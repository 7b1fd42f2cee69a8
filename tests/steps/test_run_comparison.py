"""Where the earlier run is the better one on the same images, the user hears so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from sightx_cli.metrics.paired import PairedDifference
from sightx_cli.progress import Recorder
from sightx_cli.results.retrain import ComparedFigures, ImageChange, Retraining
from sightx_cli.steps.run_comparison import choose_compared_metric, measure_difference, say_worse
from sightx_cli.task.shared_answers import SharedAnswers, SharedClasses
from sightx_cli.task.single_label import SingleLabel

if TYPE_CHECKING:
    from sightx_cli.steps.earlier_run import EarlierRun


class Named:
    """All of a run that a warning names."""

    shown = "runs/my first"
    folder = Path("runs/my first")


def figures(**metrics: float | None) -> ComparedFigures:
    return ComparedFigures(metrics, {})


@pytest.mark.parametrize(
    ("metric", "before", "after", "warns"),
    [
        ("accuracy", 0.9, 0.8, True),
        ("accuracy", 0.8, 0.9, False),
        ("accuracy", 0.9, 0.9, False),
        ("loss", 0.1, 0.2, True),
        ("loss", 0.2, 0.1, False),
    ],
)
def test_only_a_better_earlier_run_is_warned_of(metric: str, before: float, after: float, warns: bool) -> None:
    heard = Recorder()
    found = PairedDifference(before, after, after - before, (-0.1, 0.1), 0.5)
    change = Retraining(Path("a"), ImageChange(0, 0, 0, 0), (), (), 12, metric=metric, difference=found)
    say_worse(change, cast("EarlierRun", Named()), heard)
    assert len(heard.warnings) == warns
    assert not warns or "sightx predict --model 'runs/my first'" in heard.warnings[0]


def test_the_difference_is_that_of_the_same_images_and_chance_is_told_apart() -> None:
    task, truth = SingleLabel(("a", "b")), np.repeat([0, 1], 100)
    right = np.eye(2, dtype=np.float32)[truth]
    shared = SharedClasses(np.ones(200, bool), task.classes, truth)
    better = SharedAnswers(task, right)
    for wrong, is_different in ((1, False), (40, True)):
        worse = right.copy()
        worse[:wrong] = worse[:wrong, ::-1]
        found = measure_difference("accuracy", better, SharedAnswers(task, worse), shared, [""] * 200)
        assert found is not None
        assert found.difference == pytest.approx(-wrong / 200)
        assert found.is_different == is_different


def test_where_a_figure_has_no_meaning_the_headline_decides() -> None:
    task = SingleLabel(("a", "b", "c"))
    both = figures(roc_auc=0.9, accuracy=0.9)
    assert choose_compared_metric("roc_auc", both, both, task) == "roc_auc"
    assert choose_compared_metric("roc_auc", both, figures(roc_auc=None, accuracy=0.9), task) == "accuracy"
