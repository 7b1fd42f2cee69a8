"""Which task a fit has: by the names of its classes and its recipe, or as a bundle says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sightx_cli.task.grades import Grades
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    from sightx_cli.recipe.recipe import Recipe

TASKS: dict[str, type[Task]] = {task.kind: task for task in (SingleLabel, Grades)}
"""Every kind of label there is."""


def choose_task(classes: Sequence[str], has_order: bool, recipe: Recipe) -> Task:
    """Choose the task: grades where the recipe says so, or where it says nothing and the names have an order."""
    if has_order if recipe.ordered is None else recipe.ordered:
        return Grades(tuple(classes), recipe.training.soft_grades)
    return SingleLabel(tuple(classes))


def load_task(table: Mapping[str, Any]) -> Task:
    """Build the task again from `Task.to_json`; raises KeyError or TypeError where the table is not one."""
    values = dict(table)
    kind = TASKS[values.pop("kind")]
    return kind(**{**values, "classes": tuple(values["classes"])})
