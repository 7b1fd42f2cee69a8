"""From what the user typed to everything a fit needs before training: checked images, their split, the plan."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sightx_cli.data.checks import Unreadable, check_classes, check_files
from sightx_cli.data.fingerprint import Fingerprint, build_fingerprint
from sightx_cli.data.layout import AS_BEFORE
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.overview import describe_classes
from sightx_cli.data.pixel_notices import describe_pixels
from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.readers import AS_IS, Reading
from sightx_cli.data.set_range import measure_reading
from sightx_cli.data.sources import load_manifest
from sightx_cli.data.text_columns import find_trained, list_some
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.views import View
from sightx_cli.model.registered_names import list_doubtful
from sightx_cli.progress import Listener
from sightx_cli.quality.advice import describe_profile, measure_manifest_shift
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.recipe.decision import Choice
from sightx_cli.recipe.faults import is_within
from sightx_cli.recipe.plan import Plan
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.recipe.settings import BACKBONE
from sightx_cli.results.inspect import Shift
from sightx_cli.results.leaks import Leaks
from sightx_cli.results.probe import ProbedChoices
from sightx_cli.results.retrain import Retraining
from sightx_cli.startup.imports import NETWORKS, importing
from sightx_cli.steps.class_balance import balance_classes
from sightx_cli.steps.earlier_run import EarlierRun, open_earlier_run
from sightx_cli.steps.fit_plan import choose, find_image_settings, plan_fit, plan_from_run, resolve_recipe
from sightx_cli.steps.grade_order import find_grades, may_be_grades
from sightx_cli.steps.option import list_options
from sightx_cli.steps.options import AUTO, Options
from sightx_cli.steps.small_images import find_small_images
from sightx_cli.steps.split import adjust_manifest, split_images
from sightx_cli.steps.train_part import TrainPart
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
    reading: Reading = AS_IS
    """How pixels are taken from the files, in training and in prediction."""
    earlier: EarlierRun | None = None
    """The run that the fit starts from; None where it starts from pretrained or random weights."""
    change: Retraining | None = None
    """What changed since that run."""

    def part(self, split: str) -> pd.DataFrame:
        """Return the rows of one part."""
        return self.frame[self.frame["split"] == split]


def prepare(options: Options, listener: Listener) -> Preparation:
    """Load and check the data, choose and resolve the recipe, split, and build the plan."""
    began = time.perf_counter()
    if options.recipe != "auto":
        find_recipe(options.recipe)  # report a mistyped name before the images are read
    check_backbone(options, listener)
    check_device(options.device)
    options.weights_file()  # and a missing file
    asked, earlier = options, open_earlier_run(options)
    if earlier is not None:
        options = earlier.settle_labels(options)
        resolve_recipe(options, None, None, earlier)
    layout = options.layout()
    if options.multi_label != asked.multi_label:
        layout = replace(layout, multi_label_by=AS_BEFORE)
    manifest, outcomes = adjust_manifest(options, load_manifest(options.source, layout), listener)
    for notice in (describe_classes(manifest), *manifest.notices):
        listener.notice(notice)
    check_classes(manifest.frame, manifest.separator)  # before anything is measured, and again of the readable ones
    reading = measure_reading(manifest.frame, find_image_settings(options, manifest.frame, earlier), listener)
    shift = measure_shift_if_asked(options, manifest.frame, reading, listener)
    choice = choose(options, manifest.frame, shift)
    recipe, origin, overridden = resolve_recipe(options, choice, shift, earlier)
    if earlier is not None:
        reading = earlier.choose_reading(reading, overridden)
    small = find_small_images(recipe, manifest.frame, overridden, reading) if choice is not None else None
    recipe = small.settle(recipe) if small is not None else recipe
    store = FeatureStore() if options.cache else None
    pixels = plan_pixels(recipe, store, reading)
    with importing(NETWORKS, listener):
        checked = check_files(manifest.frame, listener, pixels=pixels, reading=reading)
        clock = time.perf_counter()
    frame, unreadable = checked.frame, checked.unreadable
    seconds = {"import": time.perf_counter() - clock}
    for notice in describe_pixels(frame["image"], checked.found, unreadable, reading, manifest.notices):
        listener.notice(notice)
    check_classes(frame, manifest.separator)
    if unreadable:
        choice = choose(options, frame, shift)
        recipe, origin, overridden = resolve_recipe(options, choice, shift, earlier)
        small = find_small_images(recipe, frame, overridden, reading) if choice is not None else None
        recipe = small.settle(recipe) if small is not None else recipe
    if small is not None:
        listener.notice(small.notice())
    task = choose_task(manifest.classes, recipe, manifest.separator)
    if earlier is not None:
        earlier.check_task(task)
    change = earlier.measure_change(frame, task) if earlier else None
    if earlier is not None and change is not None:
        for notice in earlier.describe_change(change, options.exclude is not None):
            listener.notice(notice)
        options = earlier.settle_groups(options, frame, listener)
    split = split_images(options, manifest, frame, task, listener, earlier)
    frame = split.frame
    clock = time.perf_counter()
    grades = None
    if may_be_grades(task, recipe):  # the rows of the part are all names and digests once more
        train = TrainPart(frame[frame["split"] == "train"], task, recipe, options, store, reading, pixels)
        grades = find_grades(train, listener)
    if grades is not None:
        listener.notice(grades.notice(task.classes))
        recipe = grades.settle(recipe)
        task = choose_task(manifest.classes, recipe, manifest.separator)
        seconds["grades"] = time.perf_counter() - clock
    fingerprint = build_fingerprint(manifest, frame, unreadable, checked.headers)
    balance = balance_classes(recipe, task, frame, overridden, options.is_recipe_named)
    for notice in balance.notices:
        listener.notice(notice)
    recipe, metric = balance.recipe, balance.metric
    plan = plan_fit(
        options,
        recipe,
        origin,
        overridden,
        choice,
        fingerprint,
        metric,
        balance.metric_origin,
        task,
        split.leaks,
        outcomes | {"folds": split.folds or None},
        shift,
    )
    for found in (small, grades, balance):
        plan = plan if found is None else found.complete(plan)
    if earlier is not None and change is not None:
        plan = plan_from_run(plan, earlier, change, list_differing(asked, options))
    seconds["prepare"] = time.perf_counter() - began - seconds["import"] - seconds.get("grades", 0.0)
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
        reading=reading,
        earlier=earlier,
        change=change,
    )


def check_backbone(options: Options, listener: Listener) -> None:
    """Raise ModelError for a network that timm does not know, before any image is read.

    timm is imported, which takes seconds, only where its files do not have the name.
    """
    asked = [setting.partition("=")[2].strip().strip("\"'") for setting in options.settings if is_backbone(setting)]
    named = [name for name in (options.backbone, *asked) if name and name != AUTO]
    if doubtful := list_doubtful(named):
        with importing(NETWORKS, listener):
            pass  # there is nothing to do in the meantime
        from sightx_cli.model.backbone import check_names

        check_names(doubtful)


def check_device(device: str) -> None:
    """Raise UsageError for a device that is not here, before any image is read.

    torch is imported, which takes seconds, only where one is named.
    """
    if device not in (AUTO, "cpu"):
        from sightx_cli.engine.choice import choose_device

        choose_device(device)


def is_backbone(setting: str) -> bool:
    """Tell whether a setting names the network."""
    return setting.partition("=")[0].strip() == BACKBONE


def list_differing(asked: Options, settled: Options) -> list[str]:
    """List the keys in the plan of options that were settled otherwise than the user said."""
    listed = list_options(Options, "fit")
    return [one.about.plan_key for one in listed if getattr(asked, one.name) != getattr(settled, one.name)]


def plan_pixels(recipe: Recipe, store: FeatureStore | None, reading: Reading) -> PlainViews | None:
    """Return what collects the plain views while the files are checked: those of images new to the store.

    None if the network starts from random weights: no plain view is needed before it trains.
    """
    if recipe.model.weights == "scratch":
        return None
    size_px, fit = recipe.image.size_px, recipe.image.fit
    known = store.list_digests(View(size_px, fit, None, 0, 0, reading).key) if store is not None else set()
    return PlainViews(size_px, fit, known, reading=reading)


def measure_shift_if_asked(options: Options, frame: pd.DataFrame, reading: Reading, listener: Listener) -> Shift | None:
    """Measure the shift where nothing else decides; never on a valid or test part that is given."""
    if options.is_recipe_named or options.shift is not None:
        return None
    paths = list_some(frame["path"], is_listed=find_trained(frame["split"]))
    return measure_manifest_shift(paths, reading, listener, options.cache)
