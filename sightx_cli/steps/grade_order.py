"""Before a fit: are numbered classes grades in their order, or codes? The images tell (see `probe.order`)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sightx_cli.data.manifest import are_numbered
from sightx_cli.probe.order import FEWEST_CLASSES, ORDER_IMAGES, measure_order
from sightx_cli.progress import Listener, Notice
from sightx_cli.recipe.plan import PlanValue
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.settings import TAPS, change_setting
from sightx_cli.steps.fit_plan import choose_metric
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.train_part import TrainPart
from sightx_cli.task.kinds import choose_task
from sightx_cli.task.single_label import SingleLabel

ORDERING = "measuring whether the classes are grades"
"""The task as the user sees it."""

UNSHARED_IMAGES = 500
"""As many images are measured where a fit does not read their features afterwards."""

KIND = "grades"


@dataclass(frozen=True)
class Finding:
    """Whether the classes are grades, and why; None where nothing could be measured, and they are codes."""

    ordered: bool | None
    why: str

    def notice(self, classes: Sequence[str]) -> Notice:
        """Say what the classes are treated as, and how to undo it."""
        named = f"classes {classes[0]} … {classes[-1]}"
        if self.ordered:
            return Notice(KIND, f"{named} are treated as grades: {self.why}; --no-ordered undoes it", len(classes))
        text = f"{named} are treated as codes, not as grades in order: {self.why}; if they are grades, add --ordered"
        return Notice(KIND, text, len(classes))


def find_grades(part: TrainPart, listener: Listener) -> Finding | None:
    """Find whether the classes are grades; None where nothing asks for it: their names, the recipe or an option."""
    task, recipe = part.task, part.recipe
    if recipe.ordered is not None or task.kind != SingleLabel.kind or not are_numbered(task.classes):
        return None
    if len(task.classes) < FEWEST_CLASSES:
        return Finding(None, f"{len(task.classes)} classes have no order to tell")
    if recipe.model.weights == "scratch":
        return Finding(None, "the recipe starts from scratch, so no features are there to measure it by")
    sample = part.sample(ORDER_IMAGES if is_shared(recipe) and part.store is not None else UNSHARED_IMAGES)
    if sample is None:
        return Finding(None, "a class has too few images or groups to measure it")
    wide = change_setting(recipe, TAPS, "all") if recipe.model.head.pool == "avg" else recipe
    features = part.open_network(wide, listener).extract(sample.paths, sample.digests, ORDERING)
    order = measure_order(features.rows, sample.targets, sample.fold_of, task, sample.together)
    if order is None:
        return Finding(None, "too few classes have images of two groups")
    return Finding(order.is_borne_out, order.describe())


def is_shared(recipe: Recipe) -> bool:
    """Whether a fit reads the plain features of all training images anyway: a stage trains on frozen ones."""
    return any(stage.train not in ("all", "scratch") for stage in recipe.stage)


def settle_grades(preparation: Preparation, listener: Listener) -> Preparation:
    """Measure whether numbered classes are grades, and say it; recipe, task, metric and plan then hold what was found.

    Nothing is measured where the recipe or an option says it, or the names do not begin with numbers.
    """
    began = time.perf_counter()
    options = preparation.options
    part = TrainPart(
        preparation.part("train"), preparation.task, preparation.recipe, options, preparation.store, preparation.pixels
    )
    finding = find_grades(part, listener)
    if finding is None:
        return preparation
    listener.notice(finding.notice(preparation.task.classes))
    seconds = {**preparation.seconds, "grades": time.perf_counter() - began}
    values = dict(preparation.plan.values)
    if finding.ordered is None:
        values["data.task"] = replace(values["data.task"], evidence=finding.why)
        return replace(preparation, seconds=seconds, plan=replace(preparation.plan, values=values))
    recipe = change_setting(preparation.recipe, "ordered", finding.ordered)
    task = choose_task(preparation.task.classes, recipe)
    by_user = ("training.metric",) if values["training.metric"].origin == "option" else ()
    metric, origin = choose_metric(recipe, task, by_user)
    values["ordered"] = PlanValue(finding.ordered, "probe", finding.why)
    values["data.task"] = PlanValue(task.kind, "probe", finding.why)
    values["training.metric"] = PlanValue(metric, "data" if origin == "data" else values["training.metric"].origin)
    plan = replace(preparation.plan, recipe=recipe, values=values)
    return replace(preparation, recipe=recipe, task=task, metric=metric, plan=plan, seconds=seconds)
