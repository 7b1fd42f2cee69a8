"""The options of a fit about its images: where a table has what, which are left out, and how they are split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sightx_cli.steps.option import Option
from sightx_cli.steps.option_values import read_folds
from sightx_cli.steps.run_options import RunOptions

IMAGES = "Images and their split"
"""Title of the help panel."""


@dataclass(frozen=True, kw_only=True)
class ImageOptions(RunOptions):
    """The base of `steps.options.Options`, whose own options are listed before these."""

    image_column: Annotated[
        str | None,
        Option(
            "The table's column with the images' files or ids [dim](default: found by its name or values)[/].",
            "NAME",
            IMAGES,
            repeated=True,
            plan_key="data.image_column",
        ),
    ] = None
    label_column: Annotated[
        str | None,
        Option(
            "The table's column with the labels; several with commas between them are one for each class.",
            "NAME",
            IMAGES,
            repeated=True,
            plan_key="data.label_column",
        ),
    ] = None
    images: Annotated[
        Path | None,
        Option(
            "Where the table's images are [dim](default: in its own folder, or one below)[/].",
            "FOLDER",
            IMAGES,
            repeated=True,
            plan_key="data.images",
        ),
    ] = None
    label_by: Annotated[
        str | None,
        Option(
            "Read the label in each file's name: the first group of this regular expression, else its whole match.",
            "REGEX",
            IMAGES,
            repeated=True,
            plan_key="data.label_by",
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
