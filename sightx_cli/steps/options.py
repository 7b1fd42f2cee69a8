"""The options of a fit, of `lr-find` and of `probe`: each is written here, once.

The command line (`commands.flat_options`), the Python signature (`steps.signature`), the plan and the command to type
next are made from the fields. A new option is a new field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from sightx_cli.errors import UsageError, quote
from sightx_cli.recipe.decision import Verdict
from sightx_cli.steps.option import Option, list_options
from sightx_cli.steps.option_values import (
    read_budget,
    read_folds,
    read_numbers,
    read_rate_option,
    read_seed,
    read_settings,
    read_stage,
)

if TYPE_CHECKING:
    from sightx_cli.model.weights_file import WeightsFile

RECIPE, IMAGES, MODEL, RUN = "Recipe", "Images and their split", "Model and machine", "Run folder"
"""Titles of the help panels."""


@dataclass(frozen=True)
class Options:
    """What the user asks of `fit`, `lr-find` or `probe`. Raises UsageError for a value that is not allowed."""

    source: Annotated[
        str | Path,
        Option(
            "A folder of class folders, a folder with train/ and valid/, a .csv or .parquet table, or demo:solar.",
            "DATA",
        ),
    ] = ""
    recipe: Annotated[
        str,
        Option(
            "A shipped recipe, a file of your own, or auto: the one that fits the images.",
            "auto|NAME|FILE",
            RECIPE,
            repeated=True,
            offers="recipes",
        ),
    ] = "auto"
    shift: Annotated[
        Verdict | None,
        Option(
            "Whether the images are like everyday photographs [dim](default: measured)[/].",
            panel=RECIPE,
            repeated=True,
            plan_key="data.shift",
        ),
    ] = None
    profile: Annotated[
        str | None,
        Option(
            "Which augmentations are safe here: natural, medical, retina, skin, surface, aerial, none.",
            "NAME",
            RECIPE,
            repeated=True,
            recipe_key="image.profile",
            offers="profiles",
        ),
    ] = None
    settings: Annotated[
        Sequence[str],
        Option(
            "Change one value of the recipe, such as image.size_px=384. May be given again.",
            "KEY=VALUE",
            RECIPE,
            flag="--set",
            repeated=True,
            read=read_settings,
        ),
    ] = ()
    rate: Annotated[
        float | str | None,
        Option(
            "The learning rate of the head; auto finds one first. The other rates keep their ratio to it.",
            "auto|NUMBER",
            RECIPE,
            plan_key="rate",
            read=read_rate_option,
        ),
    ] = None
    group_by: Annotated[
        str | None,
        Option(
            "Keep images of one patient or part on one side of the split: a column, or a regular expression over "
            "the file name.",
            "COLUMN|REGEX",
            RECIPE,
            repeated=True,
            plan_key="data.group_by",
        ),
    ] = None
    probe: Annotated[
        bool,
        Option(
            "Use the table's recipe as it is, without measuring its choices.",
            panel=RECIPE,
            flag="--no-probe",
            commands=("fit",),
        ),
    ] = True
    stage: Annotated[
        str | int | None,
        Option(
            "A stage of the recipe, by name or number. [dim](default: the first)[/]",
            "NAME",
            RECIPE,
            commands=("lr-find",),
            read=read_stage,
        ),
    ] = None
    budget: Annotated[
        float | None,
        Option(
            "The time the probe may take. [dim](default: a tenth of the fit, at least 10)[/]",
            "SECONDS",
            RECIPE,
            commands=("probe",),
            read=read_budget,
        ),
    ] = None
    backbone: Annotated[
        str | None,
        Option("Any timm network in place of the recipe's.", "NAME", MODEL, repeated=True, recipe_key="model.backbone"),
    ] = None
    weights: Annotated[
        Path | None,
        Option(
            "Pretrained weights for this network, such as medical ones: .safetensors or .pth (docs/domain-weights.md).",
            "FILE",
            MODEL,
            repeated=True,
            plan_key="weights.file",
        ),
    ] = None
    weights_mean: Annotated[
        float | Sequence[float] | None,
        Option(
            "The mean that was used to normalise these weights' input, 0 to 1 scale: 0.485,0.456,0.406; one number for "
            "all channels.",
            "R,G,B",
            MODEL,
            repeated=True,
            read=read_numbers,
        ),
    ] = None
    weights_std: Annotated[
        float | Sequence[float] | None,
        Option("The standard deviation, likewise.", "R,G,B", MODEL, repeated=True, read=read_numbers),
    ] = None
    weights_prefix: Annotated[
        str | None,
        Option(
            "Which part of the file to load, such as teacher [dim](default: detected)[/].",
            "KEY",
            MODEL,
            repeated=True,
        ),
    ] = None
    device: Annotated[str, Option("Where to train.", "auto|cpu|cuda|mps", MODEL, may_change=True)] = "auto"
    engine: Annotated[
        Literal["auto", "openvino", "torch"],
        Option("What runs the frozen layers.", panel=MODEL, may_change=True),
    ] = "auto"
    cache: Annotated[
        bool,
        Option("Do not cache the features of frozen layers.", panel=MODEL, flag="--no-cache", may_change=True),
    ] = True
    seed: Annotated[
        int,
        Option("Same seed, same machine: same numbers.", "N", MODEL, plan_key="seed", minimum=0, read=read_seed),
    ] = 0
    out: Annotated[
        Path | None,
        Option("The run folder [dim](default: a new one in runs/)[/].", "RUN", RUN, may_change=True),
    ] = None
    overwrite: Annotated[bool, Option("Replace what is already there.", panel=RUN, may_change=True)] = False
    resume: Annotated[
        Path | None,
        Option(
            "Go on with a fit that was stopped: on the same images, with its own options.",
            "RUN",
            RUN,
            commands=("fit",),
            may_change=True,
        ),
    ] = None
    exclude: Annotated[
        Path | None,
        Option(
            "Leave out the images listed in this table (column image), such as the one that inspect writes.",
            "FILE",
            IMAGES,
            repeated=True,
            plan_key="data.excluded",
        ),
    ] = None
    resplit: Annotated[
        bool,
        Option(
            "Split train and valid again; a test part stays as it is.",
            panel=IMAGES,
            repeated=True,
            plan_key="data.resplit",
        ),
    ] = False
    allow_leaks: Annotated[
        bool,
        Option(
            "Images or groups on both sides are intended: no warning.",
            panel=IMAGES,
            repeated=True,
            plan_key="data.leaks_allowed",
        ),
    ] = False
    folds: Annotated[
        int | None,
        Option(
            "Cross-validate the head in K folds; 0 for none. [dim](default: 5 for fewer than 1,000 images without a "
            "valid part)[/]",
            "K",
            IMAGES,
            commands=("fit",),
            plan_key="cross_validation.folds",
            read=read_folds,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Bring every value into the form to keep, whether it was typed or given from Python."""
        for one in list_options(Options):
            object.__setattr__(self, one.name, one.read(getattr(self, one.name)))
        if self.source == "" and self.resume is None:
            raise UsageError("DATA is missing: a folder or a table of images", "sightx fit scans/, or --resume RUN")

    def given(self) -> dict[str, Any]:
        """Return what is not at its default, by name."""
        listed = [(one, getattr(self, one.name)) for one in list_options(Options)]
        return {one.name: value for one, value in listed if value != one.default}

    def facts(self, **outcomes: object) -> dict[str, tuple[object, str]]:
        """Return what the plan holds of the options: each value by its key, with its origin.

        `outcomes` replaces what was typed, by the option's name, where the result says more: how many images `exclude`
        left out, or None where there was nothing to do. Options that are off or not given are omitted.
        """
        given, facts = self.given(), {}
        for one in list_options(Options):
            value = outcomes.get(one.name, getattr(self, one.name))
            if one.about.plan_key and value is not None and value is not False:
                value = str(value) if isinstance(value, Path) else value
                facts[one.about.plan_key] = (value, "option" if one.name in given else "default")
        return facts

    def write_command(self, command: str = "fit", whole: bool = False) -> str:
        """Write the command that trains the same on the same, to type next; the settings come last.

        With `whole`, it is the command that these options were given by, but for --resume.
        """
        given, words = self.given(), ["sightx", command, quote(self.source)]
        for one in sorted(list_options(Options, command), key=lambda one: one.is_list):
            is_wanted = one.about.repeated or (whole and not one.is_argument and one.name != "resume")
            if is_wanted and one.name in given:
                words += map(quote, one.write(given[one.name]))
        return " ".join(words)

    def overrides(self) -> list[str]:
        """Return all that departs from the recipe, in the form of --set; raises UsageError for a value set twice."""
        from sightx_cli.recipe.overrides import join_overrides

        listed = [one for one in list_options(Options) if one.about.recipe_key]
        named = {one.about.recipe_key: (one.flag, getattr(self, one.name)) for one in listed}
        return join_overrides(named, self.settings)

    def weights_file(self) -> WeightsFile | None:
        """Return the weights file with how to read it; raises WeightsError where that makes no sense."""
        from sightx_cli.model.weights_file import build_weights_file

        return build_weights_file(self.weights, self.weights_mean, self.weights_std, self.weights_prefix)
