"""`sightx serve`: a page on this machine where images are answered by a trained model, and the same as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk

if TYPE_CHECKING:
    from sightx_cli.results.serve import ServeAddress

LISTENING = "Where it listens"
EXAMPLES = """\
[bold]Examples[/]
sightx serve                     [dim]the newest run, for this machine alone[/]
sightx serve runs/latest --open  [dim]and open the page in a browser[/]
sightx serve --host 0.0.0.0      [dim]for other machines, with a token[/]
curl -F files=@scan.png http://127.0.0.1:8765/predict"""

Model = Annotated[
    Path | None,
    typer.Argument(
        metavar="RUN", help="A run's folder, or its name in runs/ [dim](default: the newest)[/].", show_default=False
    ),
]
Port = Annotated[
    int, typer.Option(metavar="N", help="Where to listen; 0 takes any port that is free.", rich_help_panel=LISTENING)
]
Host = Annotated[
    str,
    typer.Option(
        metavar="HOST",
        help="For other machines too: an address of this one, or 0.0.0.0 for all. They need the token that is shown.",
        rich_help_panel=LISTENING,
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Open the page in a browser.", rich_help_panel=LISTENING)]


@flatten_options
def serve(model: Model = None, port: Port = 8765, host: Host = "127.0.0.1", opens: Open = False, *, talk: Talk) -> None:
    """Answer images on a page, and as JSON.

    Drop, choose, paste or photograph images in a browser: each is answered
    with its confidence, and whether the model is unsure. Programs send them to
    /predict. Images stay in memory, no name is written down. Ctrl-C stops.
    """
    import sightx_cli.api.serve as api
    from sightx_cli.console import open_browser, show_address, show_served

    def start(address: ServeAddress, _: object) -> None:
        talk.answer(address, show_address)
        if opens:
            open_browser(address)

    with talk.listen() as listener:
        result = api.serve(model, host=host, port=port, started=start, listener=listener)
    show_served(result, talk.quiet)
