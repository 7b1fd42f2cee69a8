"""The processes that do one fit together: which of them this is, what they tell each other, and how they share work.

Each has a device of its own. The first, of rank 0, decides, writes and talks; the others train with it. What starts
them (`fit --launch torchrun`, torchrun itself, SLURM) says in the environment how many there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sightx_cli.errors import ProcessLost, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RANK_NAMES = ("RANK", "SLURM_PROCID")
LOCAL_RANK_NAMES = ("LOCAL_RANK", "SLURM_LOCALID")
LOCAL_COUNT_NAMES = ("LOCAL_WORLD_SIZE", "SLURM_NTASKS_PER_NODE")
COUNT_NAME = "WORLD_SIZE"
VISIBLE_NAME = "CUDA_VISIBLE_DEVICES"
MEETING_NAMES = ("MASTER_ADDR", "MASTER_PORT")
"""Names of the environment, those of torchrun first."""
HIDDEN_NAMES = ("RANK", COUNT_NAME)
"""What fastai asks whether it runs in many processes: its recorder would gather every batch, also of unequal parts."""

LONGEST_WAIT = timedelta(days=30)
"""The others wait while the first measures and writes. One that ends is noticed at once, however long this is."""

SAID_OF_PEERS = (
    "connection closed by peer",
    "connection reset by peer",
    "broken pipe",
    "nccl",
    "gloo",
    "socket closed",
)
"""What torch says, in lower case, where another process has ended."""

LAUNCH_HINT = 'type pip install "sightx-cli[launch]"'

Item = TypeVar("Item")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Processes:
    """The processes of a fit, seen from one of them. Every method but `split` and `cut` is a meeting of all."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """Its number on its machine."""
    local_count: int = 1
    """How many there are on its machine."""

    @property
    def is_first(self) -> bool:
        """Whether this is the process that decides, writes and talks."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there are no others."""
        return self.count == 1

    @property
    def machines(self) -> int:
        """On how many machines they are."""
        return -(-self.count // self.local_count)

    def describe(self) -> str:
        """Say how many there are and what each does."""
        machines = f"{self.machines} machine{'s' * (self.machines > 1)}"
        return f"{self.count} processes on {machines}: each computes its part of the features, and of every batch"

    def write_launch(self) -> str:
        """Write what starts as many again, to add to a command."""
        if self.is_alone:
            return ""
        place = f" --nodes {self.machines} --rendezvous HOST:PORT" if self.machines > 1 else ""
        return f" --launch torchrun --processes {self.local_count}{place}"

    def count_devices(self) -> int:
        """Count the devices that compute side by side; the processes of one machine without GPUs share its own."""
        if self.is_alone:
            return 1
        import torch

        return self.count if torch.cuda.is_available() else self.machines

    def split(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return this process's part of items that lie in no order."""
        return items[self.rank :: self.count]

    def cut(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this process's part of the rows of a batch: as many as others have, or one less.

        A batch of fewer rows than there are processes is learned from whole by each: what they learn on average is the
        same, and none is without a row.
        """
        if self.is_alone:
            return rows
        if len(rows) < self.count:
            return rows
        import numpy as np

        return np.array_split(rows, self.count)[self.rank]

    def cut_span(self, length: int) -> slice:
        """Return this process's part of so many rows in their order; it may be empty."""
        return slice(self.rank * length // self.count, (self.rank + 1) * length // self.count)

    def place(self, device: str) -> str:
        """Return the device of this process, where the first one's is `device`. Raises UsageError."""
        if self.is_alone or device == "cpu":
            return device
        if device != "cuda":
            raise UsageError(
                f"--device {device}: each of {self.count} processes needs a device of its own",
                "leave --device out, or --device cpu",
            )
        import torch

        found = torch.cuda.device_count()
        number = self.number_device(found)
        if number is None:
            raise UsageError(
                f"{self.local_count} processes on a machine with {found} GPU{'s' * (found != 1)}",
                f"--processes {found}, or --device cpu",
            )
        return f"cuda:{number}"

    def number_device(self, found: int) -> int | None:
        """Number the GPU of this process among those that it finds; None where there are fewer than processes.

        A batch system may show each process its own alone (CUDA_VISIBLE_DEVICES; `--gpus-per-task=1` of SLURM).
        """
        if self.local_rank < found:
            return self.local_rank
        return 0 if found == 1 and VISIBLE_NAME in os.environ else None

    def share(self, value: Value) -> Value:
        """Return the first process's value, in all."""
        if self.is_alone:
            return value
        from torch import distributed

        held = [value if self.is_first else None]
        with noticing_loss():
            distributed.broadcast_object_list(held, src=0)
        return cast(Value, held[0])

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all, by rank, in all."""
        if self.is_alone:
            return [value]
        from torch import distributed

        found: list[Any] = [None] * self.count
        with noticing_loss():
            distributed.all_gather_object(found, value)
        return found

    def join_rows(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the rows of all, those of the first process first, in all."""
        if self.is_alone:
            return rows
        import numpy as np

        return np.concatenate([part for part in self.gather(rows) if len(part)] or [rows])

    def wait(self) -> None:
        """Wait until all have come here."""
        self.gather(None)


ALONE = Processes()
"""A fit in one process, as most are."""


def find_processes(environment: Mapping[str, str] | None = None) -> Processes:
    """Find in the environment which of how many processes this is. Raises UsageError where it says only half of it."""
    told = os.environ if environment is None else environment
    count = _read_number(told, (COUNT_NAME,))
    if count is None or count <= 1:
        return ALONE
    rank = _read_number(told, RANK_NAMES)
    missing = [name for name in MEETING_NAMES if not told.get(name)]
    if rank is None or missing:
        lacking = " and ".join([*(["RANK"] if rank is None else []), *missing])
        raise UsageError(
            f"WORLD_SIZE is {count}, so this is one of {count} processes, but {lacking} "
            f"{'is' if ' and ' not in lacking else 'are'} not set",
            "unset WORLD_SIZE, or start the processes with --launch torchrun (docs/scale.md)",
        )
    if not 0 <= rank < count:
        raise UsageError(f"RANK is {rank} of {count} processes (WORLD_SIZE)", "allowed are 0 to WORLD_SIZE - 1")
    local_count = _read_number(told, LOCAL_COUNT_NAMES) or count
    local_rank = _read_number(told, LOCAL_RANK_NAMES)
    return Processes(rank, count, rank % local_count if local_rank is None else local_rank, local_count)


def _read_number(told: Mapping[str, str], names: Sequence[str]) -> int | None:
    """Read the first of these names that is set; None where none is a number."""
    return next((int(told[name]) for name in names if told.get(name, "").isdecimal()), None)


def check_packages() -> None:
    """Raise UsageError where what trains in several processes is not installed."""
    if find_spec("accelerate") is None:
        raise UsageError("training in several processes needs accelerate, not installed here", LAUNCH_HINT)


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """Join the processes that the environment tells of while the block runs; `ALONE` where it tells of none.

    A group of torch's that exists already is used as it is. Raises UsageError.
    """
    processes = find_processes()
    if processes.is_alone:
        yield processes
        return
    check_packages()
    import torch
    from torch import distributed

    is_own = not distributed.is_initialized()
    if is_own:
        has_devices = torch.cuda.is_available()
        number = processes.number_device(torch.cuda.device_count())
        if has_devices and number is not None:
            torch.cuda.set_device(number)
        backend = "cpu:gloo,cuda:nccl" if has_devices else "gloo"
        with noticing_loss():
            distributed.init_process_group(
                backend, rank=processes.rank, world_size=processes.count, timeout=LONGEST_WAIT
            )
    hidden = {name: os.environ.pop(name) for name in HIDDEN_NAMES if name in os.environ}
    try:
        yield processes
    finally:
        for name in HIDDEN_NAMES:
            os.environ.pop(name, None)
        os.environ.update(hidden)
    if is_own:  # not after a failure: it may wait for others that have ended
        distributed.destroy_process_group()


@contextmanager
def noticing_loss() -> Iterator[None]:
    """Raise ProcessLost where torch says that another process has ended."""
    try:
        yield
    except RuntimeError as error:  # torch's errors of distribution are of this kind
        said = str(error).lower()
        if type(error).__name__.startswith("Dist") or any(words in said for words in SAID_OF_PEERS):
            raise ProcessLost from error
        raise
