"""`sightx audit`: a network's parameters and cost, and which parts train, before any training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from sightx_cli.commands.completions import complete_names
from sightx_cli.commands.flat_options import flatten_options, share_option
from sightx_cli.commands.talk import Talk
from sightx_cli.errors import UsageError
from sightx_cli.steps.options import MODEL, RECIPE, Options

EXAMPLES = """\
[bold]Examples[/]
sightx audit --recipe medical-medium --classes 3
sightx audit --recipe medical-medium --backbone resnet50
sightx audit runs/latest   [dim]what a fit trained (without RUN: the newest)[/]
sightx audit --compare resnet50,mobilenetv2_100,tf_efficientnet_lite0"""

Run = Annotated[
    Path | None,
    typer.Argument(
        metavar="RUN",
        help="A finished run: its folder, or its name in runs/ [dim](default: the newest)[/].",
        show_default=False,
    ),
]
Compare = Annotated[
    str | None,
    typer.Option(
        metavar="A,B,…", help="Put timm networks side by side, each with a linear head.", rich_help_panel=MODEL
    ),
]


@dataclass(frozen=True)
class AuditOptions:
    """What to audit, if not a run."""

    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="A shipped recipe, or a file of your own.",
            autocompletion=complete_names,
            rich_help_panel=RECIPE,
        ),
    ] = None
    settings: Annotated[list[str] | None, share_option("settings")] = None
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Any timm network, or several side by side (A+B): in place of the recipe's, or with a linear head.",
            rich_help_panel=MODEL,
        ),
    ] = None
    classes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Number of classes of the head. [dim](default: 5; with --compare, ImageNet's 1,000)[/]",
            rich_help_panel=MODEL,
        ),
    ] = None

    def to_arguments(self) -> dict[str, Any]:
        """Give the keyword arguments of the workflows."""
        return {**vars(self), "settings": tuple(self.settings or ())}

    def to_comparison(self, run: Path | None) -> dict[str, Any]:
        """Give the keyword arguments of a comparison. Raises UsageError for options that it does not take."""
        for flag, value in (("RUN", run), ("--recipe", self.recipe), ("--backbone", self.backbone)):
            if value is not None:
                raise UsageError(f"--compare and {flag} cannot be combined", f"leave one out: --compare or {flag}")
        return {"classes": self.classes, "settings": tuple(self.settings or ())}

    def suggest(self, run: Path | None) -> str:
        """Give the command that trains what was audited; nothing where it has been trained."""
        if run is not None:
            return ""
        settings = tuple(self.settings or ())
        return Options("DATA", self.recipe or "auto", settings=settings, backbone=self.backbone).write_command()


@flatten_options
def audit(options: AuditOptions, run: Run = None, compare: Compare = None, *, talk: Talk) -> None:
    """Show a network's parameters and cost, and which parts train.

    Stage by stage: parameters, what is frozen, rates, output shapes,
    multiply-adds, activations, and the size of the cached features of
    an image. Reads no images, and needs no weights.
    """
    import sightx_cli.api.audit as api
    from sightx_cli.console import show_audit, show_comparison

    with talk.listen() as listener:
        if compare is not None:
            side_by_side = api.compare_backbones(compare.split(","), **options.to_comparison(run), listener=listener)
        else:
            audited = api.audit(run, **options.to_arguments(), listener=listener)
    if compare is not None:
        talk.answer(side_by_side, show_comparison)
    else:
        talk.answer(audited, show_audit, options.suggest(audited.run))
