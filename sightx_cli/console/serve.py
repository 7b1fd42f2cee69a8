"""Where a server listens, and in the end what it did."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text

from sightx_cli.console.numbers import format_count, format_seconds
from sightx_cli.console.output import open_console, print_words, to_line

if TYPE_CHECKING:
    from sightx_cli.results.serve import ServeAddress, ServeResult


def show_address(address: ServeAddress) -> None:
    """Show the address of the page, as a link where the terminal knows links, and how to stop."""
    console = open_console(stderr=False)
    link = Style(bold=True, color="cyan", link=address.url if sys.stdout.isatty() else None)
    console.print(Text("page    ", "dim").append(address.url, link), soft_wrap=True)
    console.print(Text("model   ", "dim").append(to_line(address.run), "default"), soft_wrap=True)
    if address.token is not None:
        said = "programs send the token too: Authorization: Bearer TOKEN; it is new each time"
        console.print(Text("token   ", "dim").append(said, "default"), soft_wrap=True)
    console.print(Text("stop    ", "dim").append("Ctrl-C", "default"), soft_wrap=True)
    sys.stdout.flush()


def open_browser(address: ServeAddress) -> None:
    """Open the page in a browser, without waiting for it; where there is none, that is said."""
    import threading
    import webbrowser

    def work() -> None:
        if not webbrowser.open(address.url):
            said = Text("no browser could be opened: open the address yourself", "yellow")
            print_words(open_console(stderr=True), said)

    threading.Thread(target=work, daemon=True).start()  # a browser of the terminal would hold up the server


def show_served(result: ServeResult, quiet: bool) -> None:
    """Say on stderr what a server that was stopped has done."""
    if quiet:
        return
    unread = f", {result.unreadable:,} of them unreadable" if result.unreadable else ""
    refused = sum(result.refused.values())
    turned = f", {format_count(refused, 'request')} refused" if refused else ""
    said = f"stopped after {format_seconds(result.seconds)}: {format_count(result.images, 'image')} answered"
    print_words(open_console(stderr=True), Text(f"{said}{unread}{turned}", "dim"))
