"""`sightx explain`: show where in images a prediction comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightx_cli.commands.device import Device
from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk
from sightx_cli.steps.options import RUN

EXAMPLES = """\
[bold]Examples[/]
sightx explain scan.png                     [dim]with the newest run[/]
sightx explain mistakes/ --out why/
sightx explain scan.png --class pneumonia   [dim]what speaks for it[/]"""

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="IMAGE...",
        help="Image files, folders (read recursively), or tables of images.",
        show_default=False,
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN", help="A run's folder, or its name in runs/ [dim](default: the newest)[/].", rich_help_panel=RUN
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="The folder for the pictures [dim](default: in heatmaps/)[/].", rich_help_panel=RUN
    ),
]
ClassName = Annotated[
    str | None,
    typer.Option(
        "--class",
        metavar="NAME",
        help="What the map shows: what speaks for this class [dim](default: the one predicted)[/].",
        rich_help_panel=RUN,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the folder.", rich_help_panel=RUN)]


@flatten_options
def explain(
    sources: Sources,
    model: Model = None,
    out: Out = None,
    class_name: ClassName = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    *,
    talk: Talk,
) -> None:
    """Draw where in images a prediction comes from.

    Each picture shows the image and, beside it, what speaks for the class and
    what against it. It tells what the model used, not whether it is right.
    """
    import sightx_cli.api.explain as api
    from sightx_cli.console import show_explanation

    with talk.listen() as listener:
        result = api.explain(
            sources, model=model, out=out, class_name=class_name, overwrite=overwrite, device=device, listener=listener
        )
    talk.answer(result, show_explanation)
