"""`sightx inspect`: look at the images before fitting."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.options import IMAGES, RUN, Data, Talk

EXAMPLES = """\
[bold]Examples[/]
sightx inspect scans/
sightx inspect scans/ --group-by 'person\\d+'   [dim]patients on both sides?[/]
sightx inspect scans/ --fix leave-out.csv      [dim]then: sightx fit scans/ --exclude leave-out.csv[/]
sightx inspect scans/ --only shift             [dim]which recipe, and why[/]"""


@dataclass(frozen=True)
class InspectOptions:
    """What `inspect` looks for, and where it writes."""

    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|REGEX",
            help="What names a patient or part: a column, else a regular expression over the file name.",
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
            help="Write a table of the images to leave out, for fit --exclude.",
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
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there already.", rich_help_panel=RUN)
    ] = False

    def to_arguments(self) -> dict[str, Any]:
        """Give the keyword arguments of `workflows.inspect`."""
        return dict(vars(self))


@flatten_options
def inspect(data: Data, options: InspectOptions, talk: Talk) -> None:
    """Look at your images before training on them.

    Finds duplicates, the same photograph or patient on both sides of the
    split, wrong labels, images that do not belong, unreadable files; measures
    how far the images are from photographs, and names the recipe.
    """
    import sightx_cli.api.inspect as api
    from sightx_cli.console import show_inspection

    with talk.listen() as listener:
        result = api.inspect(data, **options.to_arguments(), listener=listener)
    exclude = f" --exclude {shlex.quote(str(options.fix))}" if options.fix and result.left_out else ""
    group = f" --group-by {shlex.quote(options.group_by)}" if options.group_by else ""
    talk.answer(result, show_inspection, f"sightx fit {shlex.quote(data)}{exclude}{group}", "trains on these images")
