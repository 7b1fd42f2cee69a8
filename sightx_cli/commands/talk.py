"""How every command reports its progress and its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar

import typer

if TYPE_CHECKING:
    from sightx_cli.console import ConsoleListener

TALK = "Output"
"""The title of its help panel."""


@dataclass(frozen=True)
class Talk:
    """How a command answers and talks."""

    json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.", rich_help_panel=TALK)] = False
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Print only warnings and the result.", rich_help_panel=TALK),
    ] = False
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback when something fails.", rich_help_panel=TALK)
    ] = False

    def listen(self) -> ConsoleListener:
        """Build the listener that follows the work on stderr."""
        from sightx_cli.console import ConsoleListener

        return ConsoleListener(self.quiet)

    def answer(self, result: AnyResult, show: Callable[[AnyResult], None], then: str = "", why: str = "") -> None:
        """Print the result, as JSON or as `show` does for people; then, unless --quiet, what to type next and why."""
        from sightx_cli.console import print_json, print_next

        if self.json:
            print_json(result.to_json())
            return
        show(result)
        if then and not self.quiet:
            print_next(then, why)


@dataclass(frozen=True)
class PlanTalk(Talk):
    """How a command answers and talks that shows a plan first."""

    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Show every value of the plan, where it comes from, and all reasons.",
            rich_help_panel=TALK,
        ),
    ] = False

    def listen(self) -> ConsoleListener:
        """Build the listener that follows the work on stderr, and says as much of the reasons as was asked for."""
        from sightx_cli.console import ConsoleListener

        return ConsoleListener(self.quiet, self.explain)


class Result(Protocol):
    """What every workflow returns."""

    def to_json(self) -> dict[str, Any]:
        """Give the result as DESIGN's JSON contract has it."""


AnyResult = TypeVar("AnyResult", bound=Result)
