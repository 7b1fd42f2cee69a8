"""What requests take from a server while they last: their place, and the memory of their uploads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sightx_cli.serve.limits import Limits
from sightx_cli.serve.refusals import build_busy


@dataclass
class Floor:
    """Everything that is being received or answered at this moment. Used by the event loop's thread alone."""

    limits: Limits
    requests: int = 0
    receiving: int = 0
    """Those of them whose images are still arriving."""
    held_bytes: int = 0

    @contextmanager
    def entering(self, wait_seconds: float) -> Iterator[Allowance]:
        """Give a request its place for the block, and free what it took; raises `Refusal` where there is none."""
        if self.requests >= self.limits.requests:
            raise build_busy(wait_seconds)
        allowance = Allowance(self, wait_seconds)
        self.requests += 1
        self.receiving += 1
        try:
            yield allowance
        finally:
            allowance.arrive()
            self.requests -= 1
            self.held_bytes -= allowance.taken


@dataclass
class Allowance:
    """What one request takes."""

    floor: Floor
    wait_seconds: float = 0.0
    taken: int = field(default=0)
    _is_arriving: bool = True

    def take(self, count: int) -> None:
        """Take bytes of memory; raises `Refusal` where all requests together would hold too many."""
        if self.floor.held_bytes + count > self.floor.limits.held_bytes:
            raise build_busy(self.wait_seconds)
        self.floor.held_bytes += count
        self.taken += count

    def arrive(self) -> None:
        """Say that everything of the request is here."""
        self.floor.receiving -= self._is_arriving
        self._is_arriving = False
