"""`sightx compare`: which of several models is better, and whether that is more than chance."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk
from sightx_cli.steps.options import RUN

EXAMPLES = """\
[bold]Examples[/]
sightx compare runs/a runs/b                       [dim]on the images that both were measured on[/]
sightx compare evaluations/a evaluations/b         [dim]two models on images labelled later[/]"""

Folders = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUN…", help="Two runs or more, or evaluations of them; the first is what others are held against."
    ),
]


Out = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The page [dim](default: a new .html in comparisons/)[/].", rich_help_panel=RUN),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the page.", rich_help_panel=RUN)]


@flatten_options
def compare(folders: Folders, out: Out = None, overwrite: Overwrite = False, *, talk: Talk) -> None:
    """Compare models on the same images.

    Shows the figures of each, and for each after the first whether it differs
    from the first by more than chance would.
    """
    import sightx_cli.api.compare as api
    from sightx_cli.console import show_run_comparison

    with talk.listen() as listener:
        result = api.compare(folders, out=out, overwrite=overwrite, listener=listener)
    talk.answer(result, show_run_comparison)
