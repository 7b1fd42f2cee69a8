"""The options of a fit about the processes that do it: how they are started, how many, and on which machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from sightx_cli.steps.option import Option
from sightx_cli.steps.option_set import OptionSet
from sightx_cli.steps.option_values import read_count, read_rendezvous

PROCESSES = "Several GPUs or machines"
"""Title of the help panel."""


@dataclass(frozen=True, kw_only=True)
class LaunchOptions(OptionSet):
    """The base of `steps.options.Options`, whose own options are listed before these."""

    launch: Annotated[
        Literal["torchrun"] | None,
        Option(
            "Train in several processes, one for each GPU where there are some (docs/scale.md).",
            "torchrun",
            PROCESSES,
            commands=("fit",),
            may_change=True,
        ),
    ] = None
    processes: Annotated[
        int | None,
        Option(
            "How many on each machine [dim](default: as many as it has GPUs)[/].",
            "N",
            PROCESSES,
            commands=("fit",),
            may_change=True,
            read=read_count,
        ),
    ] = None
    nodes: Annotated[
        int | None,
        Option(
            "On how many machines; the same command is typed on each [dim](default: 1)[/].",
            "M",
            PROCESSES,
            commands=("fit",),
            may_change=True,
            read=read_count,
        ),
    ] = None
    rendezvous: Annotated[
        str | None,
        Option(
            "Where the machines meet: the name of one of them, and a port that is free there.",
            "HOST:PORT",
            PROCESSES,
            commands=("fit",),
            may_change=True,
            read=read_rendezvous,
        ),
    ] = None
