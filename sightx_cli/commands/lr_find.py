"""`sightx lr-find`: find a learning rate."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.options import RECIPE, Data, SplitOptions, Talk, TrainingOptions

EXAMPLES = """\
[bold]Examples[/]
sightx lr-find scans/                                    [dim]for the recipe that fits the images[/]
sightx lr-find scans/ --recipe medical-medium --stage 1  [dim]a later stage[/]
sightx fit scans/ --recipe medical-medium --rate auto    [dim]find and use it[/]"""

Stage = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A stage of the recipe, by name or number. [dim](default: the first)[/]",
        rich_help_panel=RECIPE,
    ),
]


@flatten_options
def lr_find(data: Data, options: TrainingOptions, split: SplitOptions, talk: Talk, stage: Stage = None) -> None:
    """Find a learning rate for your images.

    Raises the rate step by step from a fresh head and watches the loss.
    Suggests three rates (valley, steepest fall, minimum), draws the curve
    here and saves it as a picture.
    """
    import sightx_cli.api.lr_find as api
    from sightx_cli.console import show_lr_find

    with talk.listen() as listener:
        result = api.find_lr(data, stage=stage, **options.to_arguments(), **split.to_arguments(), listener=listener)
    then = f"sightx fit {shlex.quote(data)}{options.repeat()}{split.repeat()} --rate {result.chosen:.1e}"
    # --rate is the first stage's: what was found for another belongs into the recipe
    talk.answer(result, show_lr_find, then if stage is None else "", "trains with the rate chosen")
