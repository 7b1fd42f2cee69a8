"""One entry for each metric is all there is to know of it, and reading it loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sightx_cli.metrics.metric import GRADES, MULTI_LABEL, SINGLE_LABEL
from sightx_cli.metrics.registry import METRICS, find_head, find_title, list_epoch_metrics, list_metrics
from sightx_cli.recipe.parts import Training
from sightx_cli.recipe.schema import describe_allowed


def test_the_registry_loads_without_numpy() -> None:
    code = "import sys, sightx_cli.metrics.registry; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", METRICS)
def test_an_entry_has_its_name_a_title_a_head_and_the_tasks_it_is_for(name: str) -> None:
    metric = METRICS[name]
    assert metric.name == name
    assert find_title(name) == metric.title
    assert 0 < len(find_head(name)) <= len(metric.title)
    assert set(metric.kinds) <= {SINGLE_LABEL, GRADES, MULTI_LABEL}


@pytest.mark.parametrize("name", METRICS)
def test_a_recipe_may_choose_by_every_metric_of_which_more_is_better(name: str) -> None:
    allowed = describe_allowed(Training.model_fields["metric"]).replace(" or ", ", ").split(", ")
    assert (name in allowed or f'"{name}"' in allowed) == (not name.startswith("calibration"))


def test_results_name_no_metric_of_another_kind_of_label() -> None:
    assert [name for name in list_metrics(SINGLE_LABEL) if METRICS[name].kinds == (MULTI_LABEL,)] == []
    assert [name for name, metric in list_metrics(MULTI_LABEL).items() if MULTI_LABEL not in metric.kinds] == []
    assert "quadratic_kappa" in list_metrics(SINGLE_LABEL)  # None there, as the JSON contract has it


def test_an_epoch_is_measured_by_what_is_shown_and_what_chooses_it() -> None:
    usual = ["accuracy", "balanced_accuracy", "roc_auc", "quadratic_kappa", "loss"]
    assert list_epoch_metrics(SINGLE_LABEL, "accuracy") == usual
    assert set(list_epoch_metrics(SINGLE_LABEL, "f1")) == {*usual, "f1"}


def test_another_figure_is_named_in_words() -> None:
    assert find_title("train_loss") == find_head("train_loss") == "train loss"
