"""`sightx cache`: what is kept of frozen layers' outputs, so that they are not computed twice."""

from __future__ import annotations

from sightx_cli.commands.base import Commands
from sightx_cli.commands.flat_options import flatten_options
from sightx_cli.commands.talk import Talk

app = Commands()


@app.callback()
def cache() -> None:
    """See or clear the cached features of frozen layers.

    They live in your cache folder, or where SIGHTX_CACHE says; what was used
    longest ago goes first when room runs out.
    """


@app.command("list")
@flatten_options
def list_entries(talk: Talk) -> None:
    """List what is kept, with its size and when it was last used."""
    import sightx_cli.api.cache as api
    from sightx_cli.console import show_cache

    talk.answer(api.list_cache(), show_cache)


@app.command("clear")
@flatten_options
def clear_entries(talk: Talk) -> None:
    """Delete all that is kept; the next fit computes it anew."""
    import sightx_cli.api.cache as api
    from sightx_cli.console import print_json, print_text
    from sightx_cli.console.numbers import format_bytes

    freed = api.clear_cache()
    if talk.json:
        print_json({"bytes_freed": freed})
    else:
        print_text(f"{format_bytes(freed)} freed")
