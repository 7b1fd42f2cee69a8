"""Typer, with flags that cost nothing: what every app and command here is built on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it: 128 and the number of the signal."""


class LightFlags:
    """Makes a flag that was not given False, and shows no type beside flags in the help.

    Typer's own flags (--help, completion) are None where they are not given, and it loads pydantic to check that:
    0.1 s for each start of the program.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Give the parameters, with their flags made light."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for flag in (one for one in parameters if getattr(one, "is_flag", False)):
            flag.metavar, flag.default = "", bool(flag.default)
        return parameters


class LightGroup(LightFlags, TyperGroup):
    """A group of commands with light flags."""


class LightCommand(LightFlags, TyperCommand):
    """A command with light flags."""


class Commands(typer.Typer):
    """A Typer app that shows its help where no command is given, with light flags throughout."""

    def __init__(self, *, cls: type[TyperGroup] = LightGroup, **how: Any) -> None:
        super().__init__(cls=cls, no_args_is_help=True, **how)

    def command(self, name: str | None = None, **how: Any) -> Callable[[Any], Any]:
        """Register a command, as Typer does."""
        return super().command(name, cls=LightCommand, **how)
