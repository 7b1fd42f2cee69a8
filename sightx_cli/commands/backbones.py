"""`sightx backbones`: which networks a fit can start from here, how fast they are, and which reads your images best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from sightx_cli.commands.flat_options import flatten_options, share_option
from sightx_cli.commands.talk import Talk

EXAMPLES = """\
[bold]Examples[/]
sightx backbones                    [dim]what is at hand without a network[/]
sightx backbones --data scans/      [dim]which reads these images best[/]
sightx backbones --online dinov3    [dim]what timm could download[/]
sightx fit scans/ --backbone auto   [dim]measured and taken in one go[/]"""

LISTED, TRIED = "What is listed", "Trying them on images"


@dataclass(frozen=True)
class BackboneOptions:
    """What to list, and on which images to try it."""

    data: Annotated[
        str | None,
        typer.Option(
            metavar="DATA",
            help="Measure each network on these images: a folder or table as fit takes it.",
            rich_help_panel=TRIED,
        ),
    ] = None
    online: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="List what timm could download instead, by a part of the name or a pattern such as 'convnext*tiny*'.",
            rich_help_panel=LISTED,
        ),
    ] = None
    speed: Annotated[
        bool | None,
        typer.Option(
            "--speed/--no-speed",
            help="Measure images per second again, or not at all [dim](default: measured once, then kept)[/].",
            rich_help_panel=LISTED,
            show_default=False,
        ),
    ] = None
    backbone: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="List and try this timm network too, with weights of your own: --weights.",
            rich_help_panel=LISTED,
        ),
    ] = None
    weights: Annotated[str | None, share_option("weights")] = None
    weights_mean: Annotated[str | None, share_option("weights_mean")] = None
    weights_std: Annotated[str | None, share_option("weights_std")] = None
    weights_prefix: Annotated[str | None, share_option("weights_prefix")] = None
    recipe: Annotated[str, share_option("recipe")] = "auto"
    shift: Annotated[Literal["similar", "different"] | None, share_option("shift")] = None
    settings: Annotated[list[str] | None, share_option("settings")] = None
    group_by: Annotated[str | None, share_option("group_by")] = None
    image_column: Annotated[str | None, share_option("image_column")] = None
    label_column: Annotated[str | None, share_option("label_column")] = None
    images: Annotated[str | None, share_option("images")] = None
    label_by: Annotated[str | None, share_option("label_by")] = None
    exclude: Annotated[str | None, share_option("exclude")] = None
    seed: Annotated[int | None, share_option("seed")] = None
    device: Annotated[str | None, share_option("device")] = None
    engine: Annotated[Literal["auto", "openvino", "torch"] | None, share_option("engine")] = None

    def given(self) -> dict[str, Any]:
        """Return what was typed, by name."""
        return {name: value for name, value in vars(self).items() if value not in (None, "auto")}


@flatten_options
def backbones(options: BackboneOptions, talk: Talk) -> None:
    """List the networks at hand, and measure which suits your images.

    Where each one's weights come from, its size and cost, and images
    per second on this machine. With --data, a linear head on each
    network's features is cross-validated on the training images.
    """
    import sightx_cli.api.backbones as api
    from sightx_cli.console import show_backbones

    with talk.listen() as listener:
        result = api.backbones(**options.given(), listener=listener)
    talk.answer(result, show_backbones, result.probe.command if result.probe else "", "trains with it")
