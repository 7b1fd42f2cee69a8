"""What a fit would decide about a data set before it trains, without training: for `inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightx_cli.data.checks import check_classes
from sightx_cli.data.manifest import Manifest
from sightx_cli.errors import SightXError
from sightx_cli.progress import Notice, Recorder
from sightx_cli.recipe.catalog import find_recipe
from sightx_cli.steps.options import Options
from sightx_cli.steps.split import split_images
from sightx_cli.task.kinds import choose_task

if TYPE_CHECKING:
    import pandas as pd


def rehearse(
    options: Options, manifest: Manifest, frame: pd.DataFrame, recipe_name: str
) -> tuple[SightXError | None, list[Notice]]:
    """Return what a fit would refuse these images with, None if nothing, and what it would notice in splitting them.

    `frame` holds the readable images, with a column digest; the recipe is the one that they lead to.
    """
    heard, (recipe, _) = Recorder(), find_recipe(recipe_name)
    try:
        check_classes(manifest.frame, manifest.separator)
        check_classes(frame, manifest.separator)
        task = choose_task(manifest.classes, recipe, manifest.separator)
        split_images(options, manifest, frame, task, heard)
    except SightXError as error:
        return error, heard.notices
    return None, heard.notices
