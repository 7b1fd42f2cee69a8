"""The options of a fit about runs: where its own lies, which it goes on with, and which it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from sightx_cli.report.trackers import read_tracker_names
from sightx_cli.steps.launch_options import LaunchOptions
from sightx_cli.steps.option import Option

RUN_FOLDER = "Run folder"
"""Title of the help panel."""


@dataclass(frozen=True, kw_only=True)
class RunOptions(LaunchOptions):
    """The base of `steps.options.Options`, whose own options are listed before these."""

    out: Annotated[
        Path | None,
        Option("The run folder [dim](default: a new one in runs/)[/].", "RUN", RUN_FOLDER, may_change=True),
    ] = None
    overwrite: Annotated[bool, Option("Replace what is already there.", panel=RUN_FOLDER, may_change=True)] = False
    resume: Annotated[
        Path | None,
        Option(
            "Go on with a fit that was stopped (a folder, or a name in runs/), on its images, with its options.",
            "RUN",
            RUN_FOLDER,
            commands=("fit",),
            may_change=True,
        ),
    ] = None
    about: Annotated[
        Path | None,
        Option(
            "What the report should say of intended use, the images' source and their labels (docs/about.toml).",
            "FILE",
            RUN_FOLDER,
            commands=("fit",),
            may_change=True,
        ),
    ] = None
    from_run: Annotated[
        Path | None,
        Option(
            "Start from the weights, classes and choices of a finished run, with more images, and compare with it.",
            "RUN",
            RUN_FOLDER,
            flag="--from",
            commands=("fit",),
            plan_key="from.run",
        ),
    ] = None
    track: Annotated[
        str | None,
        Option(
            "Write the fit to the local store of a tracker too.",
            "tensorboard|mlflow",
            RUN_FOLDER,
            commands=("fit",),
            may_change=True,
            read=read_tracker_names,
        ),
    ] = None
