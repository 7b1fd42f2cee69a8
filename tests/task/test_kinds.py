"""The task is what the recipe says, and a bundle gives it back."""

from __future__ import annotations

import json

import pytest

from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.task.grades import Grades
from sightx_cli.task.kinds import TASKS, choose_task, load_task
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import Task

CLASSES = ("0_none", "1_mild", "2_severe")


@pytest.mark.parametrize(("says", "kind"), [(None, "single-label"), (False, "single-label"), (True, "grades")])
def test_numbered_names_are_codes_unless_the_recipe_says_that_they_are_grades(says: bool | None, kind: str) -> None:
    recipe = find_recipe("medical-small")[0].model_copy(update={"ordered": says})
    assert choose_task(CLASSES, recipe).kind == kind


def test_a_recipe_may_forbid_grades_to_share() -> None:
    recipe = find_recipe("medical-small")[0].model_copy(update={"ordered": True})
    hard = recipe.model_copy(update={"training": recipe.training.model_copy(update={"soft_grades": False})})
    assert choose_task(CLASSES, recipe) == Grades(CLASSES)
    assert choose_task(CLASSES, hard) == Grades(CLASSES, soft=False)


@pytest.mark.parametrize("task", [SingleLabel(CLASSES), Grades(CLASSES), Grades(CLASSES, soft=False)])
def test_a_task_comes_back_from_json_as_it_was(task: Task) -> None:
    assert load_task(json.loads(json.dumps(task.to_json()))) == task


def test_every_kind_bears_its_own_name() -> None:
    assert list(TASKS) == ["single-label", "grades", "multi-label"]
    assert {kind: task.kind for kind, task in TASKS.items()} == {kind: kind for kind in TASKS}
