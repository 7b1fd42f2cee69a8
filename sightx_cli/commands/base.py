"""Typer, as every app and command here is built on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from sightx_cli.errors import UsageError, quote
from sightx_cli.startup.typer_flags import LightCommand, LightGroup

SYNONYMS = {
    "fit": ("train", "finetune", "fine-tune", "learn"),
    "predict": ("classify", "infer", "inference", "label"),
    "evaluate": ("eval", "test", "score", "validate"),
    "explain": ("heatmap", "heatmaps", "gradcam"),
    "export": ("convert",),
    "serve": ("server", "web", "gui", "ui"),
    "inspect": ("check", "examine"),
    "backbones": ("models", "networks"),
    "compare": ("diff",),
    "runs list": ("ls", "list"),
    "runs show": ("show", "info"),
    "runs delete": ("delete", "remove", "rm"),
    "list": ("ls", "dir"),
    "show": ("info", "view", "print", "cat", "describe"),
    "delete": ("remove", "rm", "del", "erase"),
    "clean": ("prune", "purge"),
    "clear": ("remove", "rm", "del", "delete", "erase", "clean", "prune", "purge"),
    "copy": ("cp", "new", "create"),
    "forget": ("reset", "unset"),
}
"""What other programs call a command, or people expect it to be called: none of it is run, all of it is answered."""


class SuggestingGroup(LightGroup):
    """A group that answers a synonym of a command with the command to type."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is called. Raises UsageError for a synonym, with the command and what was typed on."""
        if args and not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            word = args[0].casefold()
            known = (meant for meant, words in SYNONYMS.items() if word in words and meant.split()[0] in self.commands)
            if (meant := next(known, None)) is not None:
                raise UsageError(
                    f"No such command '{args[0]}'. Did you mean '{meant}'?",
                    " ".join([ctx.command_path, meant, *map(quote, args[1:])]),
                )
        return super().resolve_command(ctx, args)


class Commands(typer.Typer):
    """A Typer app that shows its help where no command is given, with light flags throughout."""

    def __init__(self, *, cls: type[TyperGroup] = SuggestingGroup, **how: Any) -> None:
        super().__init__(cls=cls, no_args_is_help=True, **how)

    def command(self, name: str | None = None, **how: Any) -> Callable[[Any], Any]:
        """Register a command, as Typer does."""
        return super().command(name, cls=LightCommand, **how)
