"""Before a fit: are numbered classes grades in their order, or codes? The images tell (see `probe.order`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from sightx_cli.data.manifest import are_numbered
from sightx_cli.errors import WeightsError
from sightx_cli.probe.order import FEWEST_CLASSES, ORDER_IMAGES, measure_order
from sightx_cli.progress import Listener, Notice
from sightx_cli.recipe.plan import Origin, Plan
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.settings import TAPS, change_setting
from sightx_cli.steps.train_part import TrainPart
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import Task

ORDERING = "measuring whether the classes are grades"
"""The task as the user sees it."""

UNSHARED_IMAGES = 1_000
"""As many images are measured where a fit does not read their features afterwards."""

KIND = "grades"


@dataclass(frozen=True)
class GradeEvidence:
    """Whether the classes are grades, and why; None where nothing could be measured, and they are codes."""

    ordered: bool | None
    why: str

    def settle(self, recipe: Recipe) -> Recipe:
        """Return the recipe with what was found; as it is where nothing could be measured."""
        return recipe if self.ordered is None else change_setting(recipe, "ordered", self.ordered)

    def complete(self, plan: Plan) -> Plan:
        """Note in the plan what was found, and why."""
        origin: Origin = "default" if self.ordered is None else "probe"
        values = dict(plan.values)
        values["data.task"] = replace(values["data.task"], origin=origin, evidence=self.why)
        values["ordered"] = replace(values["ordered"], origin=origin, evidence=self.why)
        return replace(plan, values=values)

    def notice(self, classes: Sequence[str]) -> Notice:
        """Say what the classes are treated as, and how to undo it."""
        named = f"classes {classes[0]} … {classes[-1]}"
        if self.ordered:
            return Notice(KIND, f"{named} are treated as grades: {self.why}; --no-ordered undoes it", len(classes))
        text = f"{named} are treated as codes, not as grades in order: {self.why}; if they are grades, add --ordered"
        return Notice(KIND, text, len(classes))


def may_be_grades(task: Task, recipe: Recipe) -> bool:
    """Whether the names of the classes ask for a measurement, and neither the recipe nor an option has decided."""
    return recipe.ordered is None and task.kind == SingleLabel.kind and are_numbered(task.classes)


def find_grades(part: TrainPart, listener: Listener) -> GradeEvidence | None:
    """Find whether the classes are grades; None where nothing asks for it: their names, the recipe or an option."""
    task, recipe = part.task, part.recipe
    if not may_be_grades(task, recipe):
        return None
    if len(task.classes) < FEWEST_CLASSES:
        return GradeEvidence(None, f"{len(task.classes)} classes have no order to tell")
    if recipe.model.weights == "scratch":
        return GradeEvidence(None, "the recipe starts from scratch, so no features are there to measure it by")
    if (kept := part.find_kept(KIND)) is not None:
        return GradeEvidence(**kept)
    try:
        evidence = measure_grades(part, listener)
    except WeightsError:
        return GradeEvidence(None, "the network's weights are not there")  # what follows says which
    part.keep(KIND, asdict(evidence))
    return evidence


def measure_grades(part: TrainPart, listener: Listener) -> GradeEvidence:
    """Measure it on the train part."""
    recipe = part.recipe
    sample = part.sample(ORDER_IMAGES if is_shared(recipe) and part.store is not None else UNSHARED_IMAGES)
    if sample is None:
        return GradeEvidence(None, "a class has too few images or groups to measure it")
    wide = change_setting(recipe, TAPS, "all") if recipe.model.head.pool == "avg" else recipe
    features = part.open_network(wide, listener).extract(sample.paths, sample.digests, ORDERING)
    if not np.isfinite(features.rows).all():
        return GradeEvidence(None, "the network gives no numbers")
    order = measure_order(features.rows, sample.targets, sample.fold_of, part.task, sample.together)
    if order is None:
        return GradeEvidence(None, "too few classes have images of two groups")
    return GradeEvidence(order.is_borne_out, order.describe())


def is_shared(recipe: Recipe) -> bool:
    """Whether a fit reads the plain features of all training images anyway: a stage trains on frozen ones."""
    return any(stage.train not in ("all", "scratch") for stage in recipe.stage)
