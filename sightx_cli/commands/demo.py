"""`sightx demo`: a real data set to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk
from sightx_cli.errors import quote

EXAMPLES = """\
[bold]Examples[/]
sightx demo solar/                              [dim]writes images and labels.csv[/]
sightx fit solar/labels.csv --recipe medical-medium
sightx fit demo:solar --recipe medical-medium   [dim]the same, without a folder[/]"""

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Where to write: a new or empty folder.", show_default=False)
]


@flatten_options
def demo(folder: Folder, talk: Talk) -> None:
    """Write a real data set to try things on.

    2,624 electroluminescence photographs of solar cells with four
    grades of defect in order, as image files and a table, from the
    package elpv-dataset (images CC BY-NC-SA).
    """
    import sightx_cli.api.demo as api
    from sightx_cli.console import print_json, print_next, print_text

    with talk.listen() as listener:
        path = api.write_demo(folder, listener)
    if talk.json:
        print_json({"table": path})
        return
    print_text(str(path.absolute()))
    if not talk.quiet:
        print_next(f"sightx fit {quote(path)} --recipe medical-medium")
