"""The options of a fit, of `lr-find` and of `probe`: each is written here, once.

The command line (`commands.flat_options`), the Python signature (`steps.signature`), the plan and the command to type
next are made from the fields. A new option is a new field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from sightx_cli.recipe.decision import Verdict
from sightx_cli.steps.image_options import ImageOptions
from sightx_cli.steps.option import Option
from sightx_cli.steps.option_values import (
    read_budget,
    read_numbers,
    read_profile,
    read_rate_option,
    read_seed,
    read_settings,
    read_stage,
)
from sightx_cli.steps.run_options import RUN_FOLDER

RECIPE, MODEL, RUN = "Recipe", "Model and machine", RUN_FOLDER
"""Titles of the help panels."""

AUTO = "auto"
"""In place of a value: measure which is best."""


@dataclass(frozen=True)
class Options(ImageOptions):
    """What the user asks of `fit`, `lr-find` or `probe`. Raises UsageError for a value that is not allowed."""

    source: Annotated[
        str | Path,
        Option(
            "A folder of class folders, a folder with train/ and valid/, a table (.csv, .xlsx, …), or demo:solar.",
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
            read=read_profile,
            offers="profiles",
        ),
    ] = None
    ordered: Annotated[
        bool | None,
        Option(
            "Whether the classes are grades in their order [dim](default: measured where their names begin with "
            "numbers)[/].",
            panel=RECIPE,
            flag="--ordered/--no-ordered",
            repeated=True,
            recipe_key="ordered",
        ),
    ] = None
    multi_label: Annotated[
        bool | None,
        Option(
            "Whether an image may have several labels, as a;b in its cell [dim](default: where the labels say so)[/].",
            panel=RECIPE,
            flag="--multi-label/--no-multi-label",
            repeated=True,
            plan_key="data.multi_label",
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
            "Keep images of one patient or part on one side of the split: a column, a DICOM tag such as PatientID, "
            "or a regular expression over the file name.",
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
    full: Annotated[
        bool,
        Option(
            "Train every stage of the recipe in full, also one that does not pay on training images left out of it.",
            panel=RECIPE,
            commands=("fit",),
            plan_key="full",
        ),
    ] = False
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
            "The time the probe may take. [dim](default: three tenths of the fit, at least 10; 60 for "
            "--backbone auto)[/]",
            "SECONDS",
            RECIPE,
            commands=("fit", "probe"),
            read=read_budget,
        ),
    ] = None
    learning_curve: Annotated[
        bool,
        Option(
            "Also measure whether more images would help: heads on 20 to 100 % of the training images.",
            panel=RECIPE,
            commands=("probe",),
        ),
    ] = False
    backbone: Annotated[
        str | None,
        Option(
            "Any timm network in place of the recipe's; several side by side: A+B; or auto: the best of those at hand, "
            "measured on your images.",
            "auto|NAME",
            MODEL,
            repeated=True,
            recipe_key="model.backbone",
            left_open=AUTO,
        ),
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
    features_on: Annotated[
        Literal["ray"] | None,
        Option(
            "Compute the features of frozen layers on the workers of a Ray cluster.",
            panel=MODEL,
            commands=("fit",),
            may_change=True,
        ),
    ] = None
    address: Annotated[
        str | None,
        Option(
            "The Ray cluster to join [dim](default: one on this machine)[/].",
            "auto|HOST:PORT",
            MODEL,
            commands=("fit",),
            may_change=True,
        ),
    ] = None
    cache: Annotated[
        bool,
        Option("Do not cache the features of frozen layers.", panel=MODEL, flag="--no-cache", may_change=True),
    ] = True
    seed: Annotated[
        int,
        Option("Same seed, same machine: same numbers.", "N", MODEL, plan_key="seed", minimum=0, read=read_seed),
    ] = 0
