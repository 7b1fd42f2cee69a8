"""`sightx cache`: the cached features of frozen layers, so that they are not computed twice."""

from __future__ import annotations

from typing import Annotated

import typer

from sightx_cli.commands.base import Commands
from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk

Everywhere = Annotated[bool, typer.Option("--all", help="And what killed processes left elsewhere: see cache list.")]

app = Commands()


@app.callback()
def cache() -> None:
    """List or clear cached features.

    The outputs of frozen layers live in your cache folder, or where
    SIGHTX_CACHE says; the least recently used are removed first when
    space runs out.
    """


@app.command("list")
@flatten_options
def list_entries(talk: Talk) -> None:
    """List cached features, with their size and when they were last used.

    And all that lies elsewhere: what a run holds in the temporary folder,
    and what killed processes left there or below the current folder.
    """
    import sightx_cli.api.cache as api
    from sightx_cli.console import show_cache

    talk.answer(api.list_cache(), show_cache)


@app.command("clear")
@flatten_options
def clear_entries(talk: Talk, everywhere: Everywhere = False) -> None:
    """Delete all cached features; the next fit computes them again."""
    import sightx_cli.api.cache as api
    from sightx_cli.console import print_json, print_text
    from sightx_cli.console.numbers import format_bytes

    freed = api.clear_cache(everywhere)
    if talk.json:
        print_json({"bytes_freed": freed})
    else:
        print_text(f"{format_bytes(freed)} freed")
