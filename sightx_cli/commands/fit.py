"""`sightx fit`: train a classifier."""

from __future__ import annotations

import sys

import typer

from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import PlanTalk
from sightx_cli.errors import ProcessLost, SightXError
from sightx_cli.startup.termination import INTERRUPTED, TERMINATED, Terminated, find_exit_status, heeding_termination
from sightx_cli.steps.options import Options

EXIT_STATUSES = {
    INTERRUPTED: find_exit_status(KeyboardInterrupt()),
    TERMINATED: find_exit_status(Terminated()),
}
"""After what ended the training early."""

EXAMPLES = """\
[bold]Examples[/]
sightx fit scans/                            [dim]measures the images, picks the recipe, says why[/]
sightx fit scans/ --recipe medical-medium    [dim]your choice: sightx recipes list[/]
sightx fit labels.csv --recipe natural-small --rate auto
sightx fit --resume runs/latest              [dim]on with a fit that was stopped[/]
sightx fit scans/ --from runs/latest         [dim]with more images, from a run's weights[/]
sightx fit scans/ --group-by '(person\\d+)'   [dim]no patient on both sides[/]
sightx fit demo:solar --recipe medical-medium --set image.size_px=128"""


@flatten_options
def fit(options: Options, talk: PlanTalk) -> None:
    """Train a classifier on your images, and measure it.

    Shows the plan first, in words; writes a run folder that `sightx predict`
    reads. Ctrl-C ends training early and keeps the
    best epoch so far; --resume goes on from there, and after anything else
    that stopped it.
    """
    import sightx_cli.api.fit as api
    from sightx_cli.console import name_next_command, show_fit

    if (status := api.fit_beside(options, sys.argv[1:], talk.listen)) is not None:
        raise typer.Exit(status)
    try:
        with heeding_termination(), talk.listen() as listener:
            result = api.fit(**options.given(), listener=listener)
    except (KeyboardInterrupt, ProcessLost) as ended:  # what started the processes says which was lost
        raise typer.Exit(api.read_end(ended)) from ended
    talk.answer(result, show_fit, *name_next_command(result))
    if result.stopped:
        raise typer.Exit(EXIT_STATUSES.get(result.stopped, SightXError.exit_code))
