"""`sightx export`: write a model in formats that run without SightX."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk

CHECK, RUN = "Check", "Export"

EXAMPLES = """\
[bold]Examples[/]
sightx export                              [dim]the newest run, as ONNX[/]
sightx export runs/latest --format all
sightx export --format openvino -o line-3/ [dim]for the PC beside the camera[/]
sightx export --data /mnt/scans            [dim]the images lie there now[/]"""

Run = Annotated[
    Path | None,
    typer.Argument(
        metavar="RUN", help="A run's folder, or its name in runs/ [dim](default: the newest)[/].", show_default=False
    ),
]
Format = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="onnx, openvino, torchscript, safetensors (a folder for timm and hubs), or all.",
        rich_help_panel=RUN,
    ),
]
Precision = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What the numbers are kept in. Not every format takes every one.",
        rich_help_panel=RUN,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER",
        help="Where each format gets a folder of its name [dim](default: export/ in the run)[/].",
        rich_help_panel=RUN,
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.", rich_help_panel=RUN)]
Data = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER",
        help="Where the run's validation images lie now, if they moved: every export is checked on them.",
        rich_help_panel=CHECK,
    ),
]


@flatten_options
def export(
    run: Run = None,
    format: Format = "onnx",
    precision: Precision = "float32",
    output: Output = None,
    data: Data = None,
    overwrite: Overwrite = False,
    *,
    talk: Talk,
) -> None:
    """Write a model in formats that run without SightX.

    Each is opened in its own runtime and held against the model on the run's
    validation images; one that answers otherwise is refused. Beside it stands
    the exact contract, as JSON and as code.
    """
    import sightx_cli.api.export as api
    from sightx_cli.console import show_export

    with talk.listen() as listener:
        result = api.export(
            run, format=format, precision=precision, output=output, data=data, overwrite=overwrite, listener=listener
        )
    talk.answer(result, show_export)
