"""Starts a fit in several processes by torch's own launcher (torchrun), and says how they ended.

The processes run the command as it was typed; from what the launcher sets in their environment each knows which of them
it is (`sightx_cli.processes`). Where one ends, the launcher ends all.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sightx_cli
from sightx_cli.errors import ProcessLost, SightXError, TrainingError, UsageError, quote
from sightx_cli.machine import measure_threads
from sightx_cli.processes import COUNT_NAME, check_packages
from sightx_cli.progress import Listener, Notice
from sightx_cli.steps.options import Options

if TYPE_CHECKING:
    from torch.distributed.launcher.api import LaunchConfig

SHUTDOWN_SECONDS = 10
"""What a process is given to end by itself, before it is killed: to write which epoch is kept takes less."""
MEETING_SECONDS = 600
"""How long machines wait for each other: as torchrun does."""
FOLLOWING = (ProcessLost.exit_code, -signal.SIGTERM)
"""How processes end that are ended because another has."""
START = """\
import ctypes, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
sys.argv[0] = "sightx"
if {folder!r} not in sys.path:
    sys.path.insert(0, {folder!r})
from sightx_cli.app import main
main()
"""
"""What each process runs: this package, wherever it lies, as the command itself does.

On Linux it ends with the launcher, however that ends (PR_SET_PDEATHSIG of prctl(2)): else it would go on unseen.
"""


@dataclass(frozen=True)
class Launch:
    """How many processes are started here, and where they meet those of other machines."""

    processes: int
    nodes: int = 1
    rendezvous: str = ""


def is_launching(options: Options) -> bool:
    """Tell whether this process is to start those that fit; False in one of them. Raises UsageError."""
    given, is_started = options.given(), COUNT_NAME in os.environ
    alone = [f"--{name}" for name in ("processes", "nodes", "rendezvous") if name in given]
    if not options.launch and alone and not is_started:
        raise UsageError(f"{alone[0]} needs --launch torchrun", f"--launch torchrun {alone[0]} …")
    return bool(options.launch) and not is_started


def plan_launch(options: Options, listener: Listener) -> Launch:
    """Decide what is started here. Raises UsageError for what cannot be."""
    nodes = options.nodes or 1
    if options.rendezvous is None and nodes > 1:
        raise UsageError(f"--nodes {nodes} needs --rendezvous: where the machines meet", "--rendezvous node1:29500")
    if options.rendezvous is not None and options.nodes is None:
        raise UsageError(
            "--rendezvous needs --nodes: how many machines meet there",
            f"--nodes 2 --rendezvous {quote(options.rendezvous)}",
        )
    check_packages()
    from sightx_cli.engine.choice import choose_device

    device, asked = choose_device(options.device), options.processes
    if device not in ("cpu", "cuda"):
        raise UsageError(f"--device {device}: each process needs a device of its own", "--device cpu, or leave it out")
    found = count_seats(device)
    if asked is None and device == "cpu":
        raise UsageError(
            "--launch torchrun: there is no GPU here, so it has to be said how many processes share the processors",
            f"--launch torchrun --processes {max(2, found)}",
        )
    if device == "cuda" and asked is not None and asked > found:
        raise UsageError(
            f"--processes {asked}: this machine has {found} GPU{'s' * (found != 1)}, one for each process",
            f"--processes {found}, or --device cpu",
        )
    if asked is not None and asked > found:
        said = f"{asked} processes share {found} processor{'s' * (found > 1)}, and wait for each other"
        listener.notice(Notice("processes", f"{said}: --processes {found} is faster", asked, warns=True))
    return Launch(asked or found, nodes, options.rendezvous or "")


def count_seats(device: str) -> int:
    """Count what processes may have one of each: GPUs, or processors."""
    if device == "cpu":
        return measure_threads().total
    import torch

    return torch.cuda.device_count()


def launch_fit(options: Options, arguments: Sequence[str], listener: Listener) -> int:
    """Run the fit of these options, typed as these arguments, in several processes; return its exit status.

    Raises UsageError for what cannot be, and SightXError where a process was killed or the machines did not meet: what
    a process says itself is not said again.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous.api import RendezvousError
    from torch.distributed.launcher.api import elastic_launch

    launch = plan_launch(options, listener)
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed"):  # it says at length what is said here in a line
            logging.getLogger(name).setLevel(logging.CRITICAL)
    threads = max(1, measure_threads().total // launch.processes)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # torchrun would say 1
    try:
        folder = str(Path(sightx_cli.__file__).absolute().parents[1])
        elastic_launch(build_config(launch), sys.executable)("-P", "-c", START.format(folder=folder), *arguments)
    except SignalException as stopped:
        return 128 + int(stopped.sigval)
    except ChildFailedError as failed:
        return read_failures((rank, one.exitcode) for rank, one in failed.failures.items())
    except RendezvousError as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise UsageError(
            f"the {launch.nodes} machines did not meet at {launch.rendezvous or 'this one'}, or lost it ({reason})",
            "type the same command on each, with the same --nodes and --rendezvous; its port must be free and open",
        ) from error
    return 0


def build_config(launch: Launch) -> LaunchConfig:
    """Build torch's description of what to start: nothing is started again, for a fit goes on with --resume."""
    from torch.distributed.launcher.api import LaunchConfig

    is_one = launch.nodes == 1
    known = {one.name for one in fields(LaunchConfig)}
    later: dict[str, Any] = {"shutdown_timeout": SHUTDOWN_SECONDS}  # of newer versions of torch
    return LaunchConfig(
        min_nodes=launch.nodes,
        max_nodes=launch.nodes,
        nproc_per_node=launch.processes,
        run_id=uuid.uuid4().hex if is_one else "sightx",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0" if is_one else launch.rendezvous,
        rdzv_configs={"timeout": MEETING_SECONDS, "join_timeout": MEETING_SECONDS},
        local_addr="localhost" if is_one else None,
        max_restarts=0,
        **{name: value for name, value in later.items() if name in known},
    )


def read_failures(failures: Iterable[tuple[int, int]]) -> int:
    """Read how processes ended, as (rank, exit status; negative: a signal); return the status of what ended first.

    Raises TrainingError where a signal did: nobody has said so yet.
    """
    rank, status = min(failures, key=lambda one: (one[1] in FOLLOWING, one[1] >= 0, one[0]))
    if status >= 0:
        return SightXError.exit_code if status == ProcessLost.exit_code else status
    name = signal.Signals(-status).name
    memory = ", as the system does where memory runs out" if name == "SIGKILL" else ""
    raise TrainingError(
        f"process {rank} was ended by {name}{memory}: all have ended",
        "sightx runs list shows the run, sightx fit --resume RUN goes on with it",
    )
