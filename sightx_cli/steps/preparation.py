"""From what the user typed to everything a fit needs before training: checked images, their split, the plan."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.data.checks import Unreadable, check_classes, check_files
from sightx_cli.data.fingerprint import Fingerprint, build_fingerprint
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.sources import load_manifest
from sightx_cli.errors import RecipeError, UsageError
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.views import View
from sightx_cli.progress import Listener
from sightx_cli.quality.advice import choose_by_shift, describe_profile, guess_profile, measure_manifest_shift
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.decision import VERDICTS, Choice, count_images, describe_band
from sightx_cli.recipe.faults import is_within
from sightx_cli.recipe.files import load_table
from sightx_cli.recipe.overrides import apply_overrides, find_overridden
from sightx_cli.recipe.plan import Plan, build_plan
from sightx_cli.recipe.recipe import Recipe, parse_recipe
from sightx_cli.recipe.values import SCRATCH
from sightx_cli.results.inspect import Shift
from sightx_cli.results.leaks import Leaks
from sightx_cli.results.probe import ProbedChoices
from sightx_cli.startup.imports import NETWORKS, importing
from sightx_cli.steps.options import Options
from sightx_cli.steps.split import adjust_manifest, split_images
from sightx_cli.task.kinds import choose_task
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Preparation:
    """Everything decided before training."""

    options: Options
    manifest: Manifest
    frame: pd.DataFrame
    """The readable images with `split` filled."""
    unreadable: list[Unreadable]
    fingerprint: Fingerprint
    recipe: Recipe
    choice: Choice | None
    plan: Plan
    metric: str
    task: Task
    leaks: Leaks = field(default_factory=Leaks)
    folds: int = 0
    probed: ProbedChoices | None = None
    """What the probe measured and chose; None where it did not run."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    shift: Shift | None = None
    """As measured; None if the user named a recipe or the shift."""
    store: FeatureStore | None = None
    """Where features are cached, by the probe and the fit; None with --no-cache."""
    pixels: PlainViews | None = None
    """The plain views that were decoded while the files were checked, until the network has read them."""

    def part(self, split: str) -> pd.DataFrame:
        """Return the rows of one part."""
        return self.frame[self.frame["split"] == split]


def prepare(options: Options, listener: Listener) -> Preparation:
    """Load and check the data, choose and resolve the recipe, split, and build the plan."""
    began = time.perf_counter()
    if options.recipe != "auto":
        find_recipe(options.recipe)  # report a mistyped name before the images are read
    options.weights_file()  # and a missing file
    manifest, outcomes = adjust_manifest(options, load_manifest(options.source), listener)
    for line in manifest.notes:
        listener.warn(line)
    check_classes(manifest.frame)  # checked before anything is measured, and again without the unreadable files
    shift = measure_shift_if_asked(options, manifest.frame, listener)
    choice = choose(options, manifest.frame, shift)
    recipe, origin, overridden = resolve_recipe(options, choice, shift)
    store = FeatureStore() if options.cache else None
    pixels = plan_pixels(recipe, store)
    with importing(NETWORKS, listener):
        checked = check_files(manifest.frame, listener, pixels=pixels)
        clock = time.perf_counter()
    frame, unreadable = checked.frame, checked.unreadable
    seconds = {"import": time.perf_counter() - clock}
    for item in unreadable[:3]:
        listener.warn(f"left out: {item.image} {item.error}")
    if len(unreadable) > 3:
        listener.warn(f"left out: {len(unreadable) - 3} more; all {len(unreadable)} are listed in fingerprint.json")
    check_classes(frame)
    if unreadable:
        choice = choose(options, frame, shift)
        recipe, origin, overridden = resolve_recipe(options, choice, shift)
    task = choose_task(manifest.classes, manifest.has_order, recipe)
    split = split_images(options, manifest, frame, task, listener)
    frame = split.frame
    fingerprint = build_fingerprint(manifest, frame, unreadable, checked.headers)
    metric, metric_origin = choose_metric(recipe, task, overridden)
    plan = plan_fit(
        options,
        recipe,
        origin,
        overridden,
        choice,
        fingerprint,
        metric,
        metric_origin,
        task,
        split.leaks,
        outcomes | {"folds": split.folds or None},
        shift,
    )
    seconds["prepare"] = time.perf_counter() - began - seconds["import"]
    if shift is not None:
        seconds["prepare"] -= shift.seconds
        seconds["shift"] = shift.seconds
        if not is_within("image.profile", overridden) and (said := describe_profile(shift, recipe.image.profile)):
            listener.note(said)
    return Preparation(
        options,
        manifest,
        frame,
        unreadable,
        fingerprint,
        recipe,
        choice,
        plan,
        metric,
        task,
        split.leaks,
        split.folds,
        seconds=seconds,
        shift=shift,
        store=store,
        pixels=pixels,
    )


def plan_pixels(recipe: Recipe, store: FeatureStore | None) -> PlainViews | None:
    """Return what collects the plain views while the files are checked: those of images new to the store.

    None if the network starts from random weights: no plain view is needed before it trains.
    """
    if recipe.model.weights == "scratch":
        return None
    size_px, fit = recipe.image.size_px, recipe.image.fit
    known = store.list_digests(View(size_px, fit, None, 0, 0).key) if store is not None else set()
    return PlainViews(size_px, fit, known)


def measure_shift_if_asked(options: Options, frame: pd.DataFrame, listener: Listener) -> Shift | None:
    """Measure the shift where nothing else decides; never on a valid or test part that is given."""
    if options.recipe != "auto" or options.shift is not None:
        return None
    if options.overrides():
        check_overrides(options, len(frame))
    paths = frame.loc[~frame["split"].isin(["valid", "test"]), "path"]
    return measure_manifest_shift([str(path) for path in paths], listener, options.cache)


def check_overrides(options: Options, images: int) -> None:
    """Raise RecipeError for options that suit neither of the recipes that may be chosen, before any image is read."""
    similar, different = (choose_by_shift(images, verdict) for verdict in VERDICTS)
    try:
        resolve_recipe(options, similar)
    except RecipeError:
        resolve_recipe(options, different)


def choose(options: Options, frame: pd.DataFrame, shift: Shift | None) -> Choice | None:
    """Look the recipe up by the number of images and the shift; None where the user named a recipe."""
    given = options.shift or shift
    if options.recipe != "auto" or given is None:
        return None
    return choose_by_shift(count_images(frame["split"].tolist()), given)


def resolve_recipe(
    options: Options, choice: Choice | None, shift: Shift | None = None
) -> tuple[Recipe, Path, tuple[str, ...]]:
    """Return the recipe with the options applied, its file, and the dotted keys that options set.

    A profile guessed from the images takes the place of the recipe's, never that of an option.
    """
    _, path = find_recipe(choice.recipe if choice else options.recipe)
    table = load_table(path)
    settings = options.overrides()
    overridden = find_overridden(table, settings)
    recipe = parse_recipe(apply_overrides(table, settings), str(path), overridden)
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


def choose_metric(recipe: Recipe, task: Task, overridden: Sequence[str]) -> tuple[str, str]:
    """Return the metric that chooses the best epoch, and where it comes from."""
    own, by_user = recipe.training.metric, "training.metric" in overridden
    metric = task.choose_metric(own, by_user)
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
        "data.task": (
            task.kind,
            "recipe" if recipe.ordered is not None else "data" if fingerprint.has_order else "default",
        ),
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
        choice.reason if choice else f"{recipe.name} was named with --recipe",
    )


def describe_why(recipe: Recipe, choice: Choice | None, fingerprint: Fingerprint) -> str:
    """Say why this recipe, with the user's own numbers: in one sentence, or in the paragraph of the choice."""
    parts = fingerprint.parts
    numbers = (
        f"{parts.get('train', 0):,} images to train and {parts.get('valid', 0):,} to validate "
        f"in {len(fingerprint.classes)} classes"
    )
    if choice is None:
        band = describe_band(*recipe.when.images)
        like = "like everyday photographs" if recipe.when.shift == "similar" else "unlike everyday photographs"
        return f"{numbers}; you named {recipe.name}, which is meant for {band} images {like}."
    return f"{numbers}. {choice.reason}"
