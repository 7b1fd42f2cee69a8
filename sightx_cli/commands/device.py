"""The option that says where a finished model computes."""

from __future__ import annotations

from typing import Annotated

import typer

from sightx_cli.steps.options import RUN

Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda|mps",
        help="Where to compute; auto: on a GPU if there is one and the images are many.",
        rich_help_panel=RUN,
    ),
]
