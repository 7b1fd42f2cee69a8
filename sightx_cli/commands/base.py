"""Typer, as every app and command here is built on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from sightx_cli.startup.typer_flags import LightCommand, LightGroup


class Commands(typer.Typer):
    """A Typer app that shows its help where no command is given, with light flags throughout."""

    def __init__(self, *, cls: type[TyperGroup] = LightGroup, **how: Any) -> None:
        super().__init__(cls=cls, no_args_is_help=True, **how)

    def command(self, name: str | None = None, **how: Any) -> Callable[[Any], Any]:
        """Register a command, as Typer does."""
        return super().command(name, cls=LightCommand, **how)
