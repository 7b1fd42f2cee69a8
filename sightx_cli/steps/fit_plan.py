"""The recipe with the options applied, and the plan of a fit: each value with its origin, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.fingerprint import Fingerprint
from sightx_cli.data.text_columns import count_texts
from sightx_cli.errors import RecipeError, UsageError
from sightx_cli.quality.advice import choose_by_shift, guess_profile
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.decision import VERDICTS, Choice, count_images, describe_band
from sightx_cli.recipe.faults import is_within
from sightx_cli.recipe.files import load_table
from sightx_cli.recipe.overrides import apply_overrides, find_overridden
from sightx_cli.recipe.plan import Plan, PlanValue, build_plan
from sightx_cli.recipe.recipe import Recipe, parse_recipe
from sightx_cli.recipe.values import SCRATCH
from sightx_cli.results.inspect import Shift
from sightx_cli.results.leaks import Leaks
from sightx_cli.results.retrain import Retraining
from sightx_cli.steps.earlier_run import EarlierRun
from sightx_cli.steps.options import Options
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.recipe.parts import ImageInput


def find_image_settings(options: Options, frame: pd.DataFrame, earlier: EarlierRun | None = None) -> ImageInput:
    """Return what the recipe and the options say of reading images, before any is read.

    Which of the table's recipes it will be makes no difference to that. Raises RecipeError for options that suit none
    of the recipes that may be chosen.
    """
    choice = choose(options, frame, None)
    if options.is_recipe_named or choice is not None:
        return resolve_recipe(options, choice, earlier=earlier)[0].image
    similar, different = (choose_by_shift(len(frame), verdict) for verdict in VERDICTS)
    try:
        return resolve_recipe(options, similar)[0].image
    except RecipeError:
        return resolve_recipe(options, different)[0].image


def choose(options: Options, frame: pd.DataFrame, shift: Shift | None) -> Choice | None:
    """Look the recipe up by the number of images and the shift; None where the user named a recipe."""
    given = options.shift or shift
    if options.is_recipe_named or given is None:
        return None
    return choose_by_shift(count_images(count_texts(frame["split"])), given)


def resolve_recipe(
    options: Options, choice: Choice | None, shift: Shift | None = None, earlier: EarlierRun | None = None
) -> tuple[Recipe, Path, tuple[str, ...]]:
    """Return the recipe with the options applied, its file, and the dotted keys that options set.

    A profile guessed from the images takes the place of the recipe's, never that of an option. A fit that starts from
    an earlier run has that one's recipe.
    """
    path = earlier.recipe_file if earlier else find_recipe(choice.recipe if choice else options.recipe)[1]
    table = earlier.adapt_recipe() if earlier else load_table(path)
    settings = options.overrides()
    overridden = find_overridden(table, settings)
    recipe = parse_recipe(apply_overrides(table, settings), str(path), overridden)
    if earlier is not None:
        earlier.check_recipe(recipe, overridden)
        return recipe, path, overridden
    recipe = start_from_file(recipe, options, overridden)
    guessed = guess_profile(shift) if shift is not None else None
    if guessed is not None and not is_within("image.profile", overridden):
        recipe = recipe.model_copy(update={"image": recipe.image.model_copy(update={"profile": guessed})})
    return recipe, path, overridden


def start_from_file(recipe: Recipe, options: Options, overridden: Sequence[str]) -> Recipe:
    """Set the recipe to start from a file if one is given, so that it no longer counts as trained from scratch.

    Raises UsageError where the file and the recipe contradict each other.
    """
    if options.weights is None:
        if recipe.model.weights == "file":
            raise UsageError(
                f'{recipe.name} has model.weights = "file": it starts from a weights file, and none is given',
                "add --weights FILE (plan.json of its run names the file and its sha256)",
            )
        return recipe
    if "model.weights" in overridden and recipe.model.weights != "file":
        raise UsageError(
            f"--weights and --set model.weights={recipe.model.weights} contradict each other", "leave one of them out"
        )
    if any(stage.train == SCRATCH for stage in recipe.stage):
        raise UsageError(
            f'{recipe.name} trains "scratch", from random weights: --weights would be ignored',
            "leave --weights out, or start from them: --set stage.0.train=all --set model.weights=file",
        )
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"weights": "file"})})


def choose_metric(recipe: Recipe, task: Task, overridden: Sequence[str], is_unequal: bool = False) -> tuple[str, str]:
    """Return the metric that chooses the best epoch, and where it comes from."""
    own, by_user = recipe.training.metric, "training.metric" in overridden
    metric = task.choose_metric(own, by_user, is_unequal)
    return metric, "option" if by_user else "recipe" if metric == own else "data"


def plan_fit(
    options: Options,
    recipe: Recipe,
    origin: Path,
    overridden: Sequence[str],
    choice: Choice | None,
    fingerprint: Fingerprint,
    metric: str,
    metric_origin: str,
    task: Task,
    leaks: Leaks,
    outcomes: Mapping[str, object],
    shift: Shift | None = None,
) -> Plan:
    """Build the plan: the recipe's values, and what the data, their split and the options add."""
    facts: dict[str, tuple[object, str]] = {
        "data.images": (fingerprint.images, "data"),
        "data.train": (fingerprint.parts.get("train", 0), "data"),
        "data.valid": (fingerprint.parts.get("valid", 0), "data"),
        "data.classes": (len(fingerprint.classes), "data"),
        "data.task": (task.kind, find_task_origin(recipe, fingerprint, overridden)),
        "data.imbalance": (fingerprint.imbalance_ratio, "data"),
        "training.metric": (metric, metric_origin),
        **options.facts(**outcomes),
    }
    if leaks:
        facts["data.leaks"] = ("; ".join(leaks.describe()), "data")
    if fingerprint.parts.get("test"):
        facts["data.test"] = (fingerprint.parts["test"], "data")
    if fingerprint.groups:
        facts["data.groups"] = (fingerprint.groups, "data")
    if shift is not None:
        facts["data.shift"] = (shift.verdict, "data")
        facts["data.shift_score"] = (round(shift.score, 3), "data")
        if guess_profile(shift) is not None and not is_within("image.profile", overridden):
            facts["image.profile"] = (recipe.image.profile, "data")
    if options.weights is not None:
        facts["model.weights"] = ("file", "option")
    return build_plan(
        recipe,
        str(origin),
        overridden,
        facts,
        describe_why(recipe, choice, fingerprint),
        choice.reason if choice else f"{describe_named(recipe)}.",
    )


def plan_from_run(plan: Plan, earlier: EarlierRun, change: Retraining, taken: Collection[str]) -> Plan:
    """Say in a plan what comes from the run that the fit starts from: all that no option gives, and why.

    `taken` are the keys of options that were taken over from it.
    """
    images = change.images
    values = {
        key: replace(value, origin="run")
        if key in taken or (value.origin == "recipe" and not key.startswith("data."))
        else value
        for key, value in plan.values.items()
    }
    values |= {
        "from.weights": PlanValue(earlier.digest, "run"),
        "from.images": PlanValue({"new": images.new, "gone": images.gone, "same": images.same}, "data"),
        "from.new_classes": PlanValue(list(change.new_classes), "data"),
        "from.gone_classes": PlanValue(list(change.gone_classes), "data"),
    }
    numbers = plan.sentence.partition("; ")[0]
    reason = f"it goes on from {earlier.shown} by that run's own recipe; {images.new:,} of its images are new"
    return replace(plan, values=values, sentence=f"{numbers}; {reason}.", reason=f"{reason}.")


def find_task_origin(recipe: Recipe, fingerprint: Fingerprint, overridden: Sequence[str]) -> str:
    """Say what decides the kind of label before anything is measured: the labels, an option, the recipe, or nothing."""
    if fingerprint.labels_per_image:
        return "data"
    if recipe.ordered is None:
        return "default"
    return "option" if is_within("ordered", overridden) else "recipe"


def describe_why(recipe: Recipe, choice: Choice | None, fingerprint: Fingerprint) -> str:
    """Say why this recipe, with the user's own numbers: in one sentence, or in the paragraph of the choice."""
    parts = fingerprint.parts
    numbers = (
        f"{parts.get('train', 0):,} images to train and {parts.get('valid', 0):,} to validate "
        f"in {len(fingerprint.classes)} classes"
    )
    return f"{numbers}. {choice.reason}" if choice else f"{numbers}; {describe_named(recipe)}."


def describe_named(recipe: Recipe) -> str:
    """Say that the user named the recipe, and which images it is meant for."""
    like = "like everyday photographs" if recipe.when.shift == "similar" else "unlike everyday photographs"
    return f"you named {recipe.name}, which is meant for {describe_band(*recipe.when.images)} images {like}"
