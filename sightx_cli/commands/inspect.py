"""`sightx inspect`: look at the images before fitting."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from sightx_cli.commands.flat_options import flatten_options, share_option
from sightx_cli.commands.talk import Talk
from sightx_cli.steps.image_options import IMAGES
from sightx_cli.steps.options import RUN, Options

EXAMPLES = """\
[bold]Examples[/]
sightx inspect scans/
sightx inspect scans/ --group-by 'person\\d+'   [dim]patients on both sides?[/]
sightx inspect scans/ --fix leave-out.csv      [dim]the images to leave out, for fit --exclude, in this file[/]
sightx inspect scans/ --only shift             [dim]which recipe, and why[/]"""

SAME_IN_FIT = ("group_by", "image_column", "label_column", "images", "label_by", "multi_label")
"""Its options that say what the images and labels are, and so belong in the command to type next."""


@dataclass(frozen=True)
class InspectOptions:
    """What `inspect` looks for, and where it writes."""

    source: Annotated[str, share_option("source")]
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|REGEX",
            help="What identifies a patient or part: a column, a DICOM tag, or a regular expression over file names.",
            rich_help_panel=IMAGES,
        ),
    ] = None
    image_column: Annotated[str | None, share_option("image_column")] = None
    label_column: Annotated[str | None, share_option("label_column")] = None
    images: Annotated[Path | None, share_option("images")] = None
    label_by: Annotated[str | None, share_option("label_by")] = None
    multi_label: Annotated[bool | None, share_option("multi_label")] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="How pixels are taken from the files, as in fit: image.page, image.bands, image.range.",
            rich_help_panel=IMAGES,
        ),
    ] = None
    only: Annotated[
        Literal["shift"] | None,
        typer.Option(help="Measure only this; no file is written.", rich_help_panel=IMAGES),
    ] = None
    fix: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The table of the images to leave out, for fit --exclude [dim](default: leave-out.csv in the "
            "inspection's folder)[/].",
            rich_help_panel=RUN,
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The folder for page, sheets and findings [dim](default: in inspections/)[/].",
            rich_help_panel=RUN,
        ),
    ] = None
    overwrite: Annotated[bool, share_option("overwrite")] = False


@flatten_options
def inspect(options: InspectOptions, talk: Talk) -> None:
    """Look at your images before training on them.

    Finds duplicates, the same photograph or patient on both sides of the
    split, wrong labels, images that do not belong, unreadable files; measures
    how far the images are from photographs, and names the recipe.
    """
    import sightx_cli.api.inspect as api
    from sightx_cli.console import show_inspection

    with talk.listen() as listener:
        result = api.inspect(**vars(options), listener=listener)
    exclude = result.fix if result.left_out else None
    same = {name: getattr(options, name) for name in SAME_IN_FIT} | {"settings": tuple(options.settings or ())}
    then = Options(options.source, exclude=exclude, **same).write_command()
    why = "trains on these images" + " without those on the list" * bool(exclude)
    talk.answer(result, show_inspection, "" if result.refused else then, why)
