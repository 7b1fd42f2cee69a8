"""What a fit would decide about a data set before it trains, without training: for `inspect`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sightx_cli.data.checks import check_classes
from sightx_cli.data.manifest import Manifest
from sightx_cli.data.readers import Reading
from sightx_cli.errors import SightXError
from sightx_cli.features.store import FeatureStore
from sightx_cli.progress import Listener, Notice, Recorder
from sightx_cli.results.inspect import Shift
from sightx_cli.steps.class_balance import balance_classes
from sightx_cli.steps.fit_plan import choose, resolve_recipe
from sightx_cli.steps.grade_order import find_grades
from sightx_cli.steps.label_tolerance import find_tolerance
from sightx_cli.steps.options import Options
from sightx_cli.steps.split import split_images
from sightx_cli.steps.train_part import TrainPart
from sightx_cli.task.kinds import choose_task

if TYPE_CHECKING:
    import pandas as pd


def rehearse(
    options: Options,
    manifest: Manifest,
    frame: pd.DataFrame,
    shift: Shift,
    store: FeatureStore,
    reading: Reading,
    listener: Listener,
) -> tuple[SightXError | None, list[Notice]]:
    """Return what a fit would refuse these images with, None if nothing, and what it would notice.

    That is what it notices in splitting them, in counting their classes and in measuring what the labels are and bear,
    by the recipe of the table. `frame` holds the readable images, with a column digest. The listener hears of progress.
    """
    heard, choice = Recorder(), choose(options, frame, shift)
    recipe, _, _ = resolve_recipe(options, choice, shift)
    try:
        check_classes(manifest.frame, manifest.separator)
        check_classes(frame, manifest.separator)
        task = choose_task(manifest.classes, recipe, manifest.separator)
        split = split_images(options, manifest, frame, task, heard)
        balance = balance_classes(recipe, task, split.frame, ())
    except SightXError as error:
        return error, heard.notices
    noticed = [*heard.notices, *balance.notices]
    train = TrainPart(split.frame[split.frame["split"] == "train"], task, recipe, options, store, reading)
    if (grades := find_grades(train, listener)) is not None:
        noticed.append(grades.notice(task.classes))
    weighed = replace(train, recipe=balance.recipe)
    if (tolerance := find_tolerance(weighed, listener)) is not None:
        noticed += tolerance.notices(False)
    return None, noticed
