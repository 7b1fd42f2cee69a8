"""Which task a fit has: by its labels and its recipe, or as a bundle says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sightx_cli.errors import UsageError
from sightx_cli.task.grades import Grades
from sightx_cli.task.label_text import SEPARATORS
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    from sightx_cli.recipe.recipe import Recipe

TASKS: dict[str, type[Task]] = {task.kind: task for task in (SingleLabel, Grades, MultiLabel)}
"""Every kind of label there is."""


def choose_task(classes: Sequence[str], recipe: Recipe, separator: str = "") -> Task:
    """Choose the task: grades where the recipe says so. Where it says nothing, numbered classes are codes until the
    images show an order (see `steps.measurements`).

    With a `separator`, cells of the column `label` join several labels by it, and each is a question of its own. Raises
    UsageError where they are to be grades all the same.
    """
    if separator and recipe.ordered:
        raise UsageError(
            "images have several labels each, and several grades of one image are in no order",
            "add --no-ordered, or, if each cell is one grade, --no-multi-label",
        )
    if separator:
        return MultiLabel(tuple(classes), separator)
    if recipe.ordered:
        return Grades(tuple(classes), recipe.training.soft_grades)
    return SingleLabel(tuple(classes))


def load_task(table: Mapping[str, Any]) -> Task:
    """Build the task again from `Task.to_json`; raises KeyError, TypeError or ValueError where the table is not one."""
    values = dict(table)
    kind, classes = TASKS[values.pop("kind")], values["classes"]
    if not isinstance(classes, list | tuple) or len(classes) < 2 or not all(isinstance(one, str) for one in classes):
        raise ValueError(f"classes: found {classes!r:.80}; allowed: the names of two classes or more")
    if len(set(classes)) < len(classes):
        raise ValueError(f"classes: found {max(classes, key=classes.count)!r} twice; allowed: each class once")
    if not isinstance(values.get("soft", False), bool):
        raise ValueError(f"soft: found {values['soft']!r:.80}; allowed: true or false")
    if values.get("separator", SEPARATORS[0]) not in SEPARATORS:
        raise ValueError(f"separator: found {values['separator']!r:.80}; allowed: {' and '.join(SEPARATORS)}")
    return kind(**{**values, "classes": tuple(classes)})
