"""Classes of very different sizes: what chooses the best epoch, and whether every class counts the same in training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sightx_cli.data.text_columns import find_rows, list_texts
from sightx_cli.errors import quote
from sightx_cli.metrics.registry import LOSS, METRICS, QUADRATIC_KAPPA, find_title
from sightx_cli.progress import Notice
from sightx_cli.recipe.faults import is_within
from sightx_cli.recipe.plan import Plan, PlanValue
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.settings import WEIGHTS, change_setting
from sightx_cli.steps.fit_plan import choose_metric
from sightx_cli.steps.missing_classes import join_names
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd


KAPPA_COUNTS_IMAGES = "grades are judged by quadratic kappa, which counts images, not classes"
"""Why their classes are not weighed. Five folds of training parts, heads with class weights and without: kappa
0.815 and 0.820, accuracy 0.659 and 0.673 on retina grades; 0.684 and 0.711, 0.655 and 0.777 on solar cells. The rarest
grade pays for it (one of 25 there: found in 0.43 and in 0.11 of its images), for one of its neighbours."""


@dataclass(frozen=True)
class ClassBalance:
    """How a fit is chosen, and whether its classes are weighed, after a look at how many images each has."""

    recipe: Recipe
    metric: str
    metric_origin: str
    notices: tuple[Notice, ...] = ()
    weighed: bool = False
    """Whether the data, not the recipe or the user, made the classes count the same."""
    unweighed: bool = False
    """Whether the recipe's class weights are left out, since grades are judged by kappa."""

    def complete(self, plan: Plan) -> Plan:
        """Note in the plan what the data decided."""
        if not self.weighed and not self.unweighed:
            return plan
        value = PlanValue("balanced", "data") if self.weighed else PlanValue("none", "data", KAPPA_COUNTS_IMAGES)
        return replace(plan, values={**plan.values, WEIGHTS: value})


def balance_classes(
    recipe: Recipe, task: Task, frame: pd.DataFrame, overridden: Sequence[str], is_named: bool = False
) -> ClassBalance:
    """Choose the metric, and whether classes are weighed, by how many images of each are trained on and validated on.

    `frame` has the columns label and split, train and valid among them; `overridden` are the keys set by options. The
    weights of a recipe that the user named (`is_named`) stay.
    """
    labels = {part: list_texts(frame["label"][find_rows(frame["split"], (part,))]) for part in ("train", "valid")}
    trained = task.number(labels["train"])
    is_unequal = task.is_unequal(trained)
    metric, origin = choose_metric(recipe, task, overridden, is_unequal)
    notices = []
    is_set = is_within(WEIGHTS, overridden)
    weighed = is_unequal and not is_named and not is_set and recipe.training.class_weights == "none"
    if weighed:
        recipe = change_setting(recipe, WEIGHTS, "balanced")
    free = not is_named and not is_set and not weighed
    unweighed = free and metric == QUADRATIC_KAPPA.name and recipe.training.class_weights == "balanced"
    if unweighed:
        recipe = change_setting(recipe, WEIGHTS, "none")
        lacks = f"{KAPPA_COUNTS_IMAGES}, so class weights are left out"
    else:
        lacks = "you set no class weights" if is_set else f"{recipe.name} has no class weights"
    if is_unequal:
        notices.append(describe_unequal(labels["train"], recipe, metric, origin, weighed, lacks))
    elif unweighed:
        text = lacks + "; to let every grade count the same: --set training.class_weights=balanced"
        notices.append(Notice("grades-unweighed", text, len(task.classes)))
    missing = task.find_missing(task.number(labels["valid"]))
    if missing and METRICS[metric].ranks_classes:
        text = (
            f"{find_title(metric)} ranks every class against the others, and valid has no image of "
            f"{join_names(missing)}: the {LOSS.title} chooses the best epoch instead"
        )
        notices.append(Notice("metric-replaced", text, len(missing), warns=True))
        metric, origin = LOSS.name, "data"
    return ClassBalance(recipe, metric, origin, tuple(notices), weighed, unweighed)


def describe_unequal(
    labels: Sequence[str], recipe: Recipe, metric: str, origin: str, weighed: bool, lacks: str
) -> Notice:
    """Say how unequal the classes are, what follows from it, and what to type for the opposite.

    `lacks` says why classes are not weighed, where they are not.
    """
    counts = Counter(labels).most_common()
    (largest, most), (smallest, fewest) = counts[0], counts[-1]
    of = f"of {len(counts):,} classes, the largest, {largest}, has" if len(counts) > 2 else f"{largest} has"
    other = f"the smallest, {smallest}, {fewest:,}" if len(counts) > 2 else f"{smallest} {fewest:,}"
    found = f"{of} {most:,} training images, {other}: {most / fewest:,.0f} times as many"
    done, undo = [], []
    if origin == "data":
        done.append(f"the best epoch is chosen by {find_title(metric)}")
        undo.append(f"--set training.metric={quote(recipe.training.metric)}")
    if recipe.training.class_weights == "balanced":
        done.append("every class counts the same in training")
        undo += ["--set training.class_weights=none"] * weighed
        then = f"So that no class is passed over, {' and '.join(done)}" + f" (undo: {' '.join(undo)})" * bool(undo)
        return Notice("unequal-classes", f"{found}. {then}", len(counts))
    then = "; ".join([lacks, *done])
    advice = "To let every class count the same: --set training.class_weights=balanced"
    text = f"{found}. {then}: a rare class may never be predicted. {advice}"
    return Notice("unequal-classes", text, len(counts), warns=True)
