"""The options that commands share, each written once."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar

import typer

from sightx_cli.commands.parsers import parse_numbers, parse_rate

if TYPE_CHECKING:
    from sightx_cli.console import ConsoleListener

RECIPE, IMAGES, MODEL, RUN, TALK = "Recipe", "Images and their split", "Model and machine", "Run folder", "Output"
"""Titles of the help panels."""

Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder of class folders, a folder with train/ and valid/, a .csv or .parquet table, or demo:solar.",
        show_default=False,
    ),
]


def complete_recipes(incomplete: str) -> list[tuple[str, str]]:
    """Offer the shipped recipes to the shell."""
    names = [("auto", "chosen from the number of images and the measured shift"), *complete_names("")]
    return [item for item in names if item[0].startswith(incomplete)]


def complete_names(incomplete: str) -> list[tuple[str, str]]:
    """Offer the shipped recipes to the shell, the reference recipes last."""
    from sightx_cli.recipe.files import list_reference_summaries, list_summaries

    shipped = [*list_summaries(), *list_reference_summaries()]
    return [(one.name, one.summary) for one in shipped if one.name.startswith(incomplete)]


Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change one value of the recipe, such as image.size_px=384. May be given again.",
        rich_help_panel=RECIPE,
    ),
]


def complete_profiles(incomplete: str) -> list[tuple[str, str]]:
    """Offer the augmentation profiles to the shell."""
    from sightx_cli.recipe.profiles import PROFILES

    return [(name, profile.meaning) for name, profile in PROFILES.items() if name.startswith(incomplete)]


@dataclass(frozen=True)
class Talk:
    """How a command answers and talks."""

    json: Annotated[
        bool, typer.Option("--json", help="Answer with one JSON object on stdout.", rich_help_panel=TALK)
    ] = False
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="Say nothing but warnings and the result.", rich_help_panel=TALK),
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


class Result(Protocol):
    """What every workflow returns."""

    def to_json(self) -> dict[str, Any]:
        """Give the result as DESIGN's JSON contract has it."""


AnyResult = TypeVar("AnyResult", bound=Result)


@dataclass(frozen=True)
class TrainingOptions:
    """What `fit` and `lr-find` share: the recipe, what departs from it, the machine, the run folder."""

    recipe: Annotated[
        str,
        typer.Option(
            metavar="auto|NAME|FILE",
            help="A shipped recipe, a file of your own, or auto: the one that fits the images.",
            autocompletion=complete_recipes,
            rich_help_panel=RECIPE,
        ),
    ] = "auto"
    shift: Annotated[
        Literal["similar", "different"] | None,
        typer.Option(
            help="Whether the images are like everyday photographs [dim](default: measured)[/].", rich_help_panel=RECIPE
        ),
    ] = None
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which augmentations are safe here: natural, medical, retina, skin, surface, aerial, none.",
            autocompletion=complete_profiles,
            rich_help_panel=RECIPE,
        ),
    ] = None
    settings: Settings = None
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="auto|NUMBER",
            help="The learning rate of the head; auto finds one first. The other rates keep their ratio to it.",
            rich_help_panel=RECIPE,
        ),
    ] = None
    group_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN|REGEX",
            help="Keep images of one patient or part on one side of the split: a column, else a regular expression "
            "over the file name.",
            rich_help_panel=RECIPE,
        ),
    ] = None
    backbone: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Any timm network in place of the recipe's.", rich_help_panel=MODEL),
    ] = None
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Pretrained weights of this network, such as a medical one's: .safetensors or .pth "
            "(docs/domain-weights.md).",
            rich_help_panel=MODEL,
        ),
    ] = None
    weights_mean: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            help="The mean that these weights' input was normalised with, 0 to 1 scale: 0.485,0.456,0.406; one number "
            "for all channels.",
            rich_help_panel=MODEL,
        ),
    ] = None
    weights_std: Annotated[
        str | None,
        typer.Option(metavar="R,G,B", help="The deviation, likewise.", rich_help_panel=MODEL),
    ] = None
    weights_prefix: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="The part of the file that is meant, such as teacher [dim](default: found by itself)[/].",
            rich_help_panel=MODEL,
        ),
    ] = None
    device: Annotated[
        str,
        typer.Option(metavar="auto|cpu|cuda|mps", help="Where to train.", rich_help_panel=MODEL),
    ] = "auto"
    engine: Annotated[
        Literal["auto", "openvino", "torch"],
        typer.Option(help="What runs the frozen layers.", rich_help_panel=MODEL),
    ] = "auto"
    no_cache: Annotated[
        bool,
        typer.Option("--no-cache", help="Keep no outputs of frozen layers on disk.", rich_help_panel=MODEL),
    ] = False
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Same seed, same machine: same numbers.", rich_help_panel=MODEL)
    ] = 0
    out: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The run folder [dim](default: a new one in runs/)[/].", rich_help_panel=RUN),
    ] = None
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what is there already.", rich_help_panel=RUN)
    ] = False

    def repeat(self) -> str:
        """Give the options that say what is trained on what, for a command to type next."""
        given = (
            ("--recipe", self.recipe if self.recipe != "auto" else None),
            ("--shift", self.shift),
            ("--profile", self.profile),
            ("--backbone", self.backbone),
            ("--weights", self.weights),
            ("--weights-mean", self.weights_mean),
            ("--weights-std", self.weights_std),
            ("--weights-prefix", self.weights_prefix),
            ("--group-by", self.group_by),
            *(("--set", setting) for setting in self.settings or ()),
        )
        return "".join(f" {flag} {shlex.quote(str(value))}" for flag, value in given if value is not None)

    def to_arguments(self) -> dict[str, Any]:
        """Give the keyword arguments of `workflows.fit` and `workflows.find_lr`."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        given["cache"] = not given.pop("no_cache")
        given["weights_mean"] = parse_numbers("--weights-mean", self.weights_mean)
        given["weights_std"] = parse_numbers("--weights-std", self.weights_std)
        return given | {"settings": tuple(self.settings or ()), "rate": parse_rate(self.rate)}


@dataclass(frozen=True)
class SplitOptions:
    """Which images count, and on which side."""

    exclude: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Leave out the images that this table names (column image), such as inspect --fix writes.",
            rich_help_panel=IMAGES,
        ),
    ] = None
    resplit: Annotated[
        bool,
        typer.Option(
            "--resplit", help="Divide train and valid anew; a test part stays as it is.", rich_help_panel=IMAGES
        ),
    ] = False
    allow_leaks: Annotated[
        bool,
        typer.Option(
            "--allow-leaks", help="Images or groups on both sides are meant: no warning.", rich_help_panel=IMAGES
        ),
    ] = False

    def to_arguments(self) -> dict[str, Any]:
        """Give the keyword arguments of the workflows."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def repeat(self) -> str:
        """Give the options again, for a command to type next."""
        exclude = f" --exclude {shlex.quote(str(self.exclude))}" if self.exclude is not None else ""
        return exclude + " --resplit" * self.resplit + " --allow-leaks" * self.allow_leaks


@dataclass(frozen=True)
class MeasuringOptions:
    """What `fit` measures beside the training."""

    folds: Annotated[
        int | None,
        typer.Option(
            metavar="K",
            help="Cross-validate the head in K folds; 0 for none. [dim](default: 5 for fewer than 1,000 images without "
            "a valid part)[/]",
            rich_help_panel=IMAGES,
        ),
    ] = None
    no_probe: Annotated[
        bool,
        typer.Option(
            "--no-probe", help="Take the table's recipe as it is, measure no choices.", rich_help_panel=RECIPE
        ),
    ] = False

    def to_arguments(self) -> dict[str, Any]:
        """Give the keyword arguments of `workflows.fit`."""
        return {"folds": self.folds, "probe": not self.no_probe}
