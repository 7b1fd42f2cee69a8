"""`sightx runs`: the runs in a folder, one in full, taking its threshold back, and removing what is not needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightx_cli.commands.base import Commands
from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk

Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="A folder of runs [dim](default: runs/)[/].", show_default=False)
]
Run = Annotated[
    Path | None,
    typer.Argument(
        metavar="RUN", help="A run's folder, or its name in runs/ [dim](default: the newest)[/].", show_default=False
    ),
]
Runs = Annotated[
    list[Path], typer.Argument(metavar="RUN…", help="Folders of runs, or their names in runs/.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask, as in a script.")]

app = Commands()


@app.callback()
def runs() -> None:
    """List, show and remove runs, finished or stopped; take back a stored threshold."""


@app.command("list")
@flatten_options
def list_found(folder: Folder = Path("runs"), *, talk: Talk) -> None:
    """List runs, with their state, best figure and size, and what killed processes left."""
    import sightx_cli.api.runs as api
    from sightx_cli.console import show_runs

    with talk.listen() as listener:
        listing = api.list_runs(folder, listener=listener)
    talk.answer(listing, show_runs, *listing.suggest())


@app.command("show")
@flatten_options
def show(run: Run = None, *, talk: Talk) -> None:
    """Show a run: why it was trained so, its figures, its files, the command that made it."""
    import sightx_cli.api.runs as api
    from sightx_cli.console import show_run

    with talk.listen() as listener:
        details = api.show_run(run, listener=listener)
    talk.answer(details, show_run, details.next, details.next_why)


@app.command("forget")
@flatten_options
def forget(run: Run = None, *, talk: Talk) -> None:
    """Take back the threshold that evaluate --keep stored in a run.

    predict, evaluate and serve go by the likeliest class again.
    """
    import sightx_cli.api.runs as api
    from sightx_cli.console import show_forgotten

    with talk.listen() as listener:
        result = api.forget_threshold(run, listener=listener)
    talk.answer(result, show_forgotten)


@app.command("delete")
@flatten_options
def delete(names: Runs, yes: Yes = False, *, talk: Talk) -> None:
    """Delete runs, after a question that says what goes."""
    import sightx_cli.api.runs as api
    from sightx_cli.console import ask_removal, show_removal

    with talk.listen() as listener:
        result = api.delete_runs(names, agree=None if yes else ask_removal, listener=listener)
    talk.answer(result, show_removal)


@app.command("clean")
@flatten_options
def clean(folder: Folder = Path("runs"), yes: Yes = False, *, talk: Talk) -> None:
    """Remove unfinished runs and what killed processes left, after a question.

    A run that Ctrl-C ended predicts, and is kept; so is one that a process
    works on.
    """
    import sightx_cli.api.runs as api
    from sightx_cli.console import ask_removal, show_removal

    with talk.listen() as listener:
        result = api.clean_runs(folder, agree=None if yes else ask_removal, listener=listener)
    talk.answer(result, show_removal)
