"""Typer's classes of commands and groups, with flags that cost nothing."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

from sightx_cli.startup.switch import may_touch


class LightFlags:
    """Makes a flag that was not given False, and shows no type beside flags in the help.

    Typer's own flags (--help, completion) are None where they are not given, and it loads pydantic to check that:
    0.1 s for each start of the program. A pair of flags without a default stays None: it says yes, no, or neither.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """Give the parameters, with their flags made light."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        if may_touch("typer"):
            for flag in (one for one in parameters if getattr(one, "is_flag", False)):
                flag.metavar = ""
                if flag.default is not None or not flag.secondary_opts:
                    flag.default = bool(flag.default)
        return parameters


class LightGroup(LightFlags, TyperGroup):
    """A group of commands with light flags."""


class LightCommand(LightFlags, TyperCommand):
    """A command with light flags."""
