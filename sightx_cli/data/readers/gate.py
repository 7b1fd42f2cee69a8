"""Bounds the pixels that all threads decode at the same time: a small file may hold a very large image.

A palette PNG of 500 kB and 128 million pixels takes 0.6 GB decoded, and each reading thread may meet one. Ordinary
photographs pass without waiting.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sightx_cli.machine import measure_free_memory

BYTES_PER_PIXEL = 12
"""What an image takes while it is read, at most: its own pixels (4), those as RGB (4 in Pillow), and a copy at work."""

SHARE_OF_FREE_MEMORY = 0.25
LEAST_PIXELS = 128_000_000
"""The largest image that is read (`pillow_file.MAX_PIXELS`), or ten photographs of 12 megapixels."""


PIXELS_WITHOUT_TURN = 22_000_000
"""The most that each of several processes holds at any time, some 256 MB; one alone may hold more."""

_OPENING = threading.Lock()

BAND_PIXELS = 2_000_000
"""Pixels that are converted at a time: conversions hold up to 20 bytes for each."""


class PixelGate:
    """Admits images to decoding while they hold no more than `limit` pixels together, in the order they come.

    One that is larger than the limit is admitted alone.
    """

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0
        self._turn, self._changed = threading.Lock(), threading.Condition()
        self._own = threading.local()

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Keep what this thread takes within the block until its end; within another such block, until that one's."""
        if getattr(self._own, "taken", None) is not None:
            yield
            return
        self._own.taken = 0
        try:
            yield
        finally:
            taken, self._own.taken = self._own.taken, None
            with self._changed:
                self.held -= taken
                self._changed.notify_all()

    def take(self, pixels: int) -> None:
        """Wait until this many pixels may be decoded; call it within `holding`, before anything is decoded."""
        if self._own.taken:  # waiting for others while they wait for this thread would never end
            with self._changed:
                self.held += pixels
        else:
            # Whoever waits keeps the turn: small images that come later do not pass a large one.
            with self._turn, self._changed:
                self._changed.wait_for(lambda: not self.held or self.held + pixels <= self.limit)
                self.held += pixels
        self._own.taken += pixels


class TurnGate(PixelGate):
    """The gate of one of several processes that read beside each other: a large image waits until no other process
    holds one, by a lock on a file that all of them know."""

    def __init__(self, turn: str) -> None:
        super().__init__(LEAST_PIXELS)
        self._file = turn

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Keep what this thread takes, and its turn, within the block until its end."""
        is_outermost = getattr(self._own, "taken", None) is None
        with ExitStack() as closing, super().holding():
            if is_outermost:
                self._own.closing, self._own.has_turn = closing, False
            yield

    def take(self, pixels: int) -> None:
        """Wait until this many pixels may be decoded."""
        super().take(pixels)
        if self._own.taken > PIXELS_WITHOUT_TURN and not self._own.has_turn:
            import fcntl

            file = self._own.closing.enter_context(Path(self._file).open("rb"))  # noqa: SIM115 - it is one
            fcntl.flock(file, fcntl.LOCK_EX)
            self._own.has_turn = True


_GATES: list[PixelGate] = []
"""The gate that was set for this process, if one was."""


def set_gate(gate: PixelGate) -> None:
    """Set the gate of this process, before anything is read."""
    _GATES[:] = [gate]


def open_gate() -> PixelGate:
    """Return the gate of this process: the one that was set, else a quarter of the memory that was free.

    There is always room for the largest image.
    """
    if _GATES:
        return _GATES[0]
    with _OPENING:  # threads that come first at the same time must not get a gate each: `functools.cache` is no lock
        return _build_gate()


@functools.cache
def _build_gate() -> PixelGate:
    free = measure_free_memory() or 0
    return PixelGate(max(LEAST_PIXELS, int(free * SHARE_OF_FREE_MEMORY / BYTES_PER_PIXEL)))


@contextmanager
def holding_pixels() -> Iterator[None]:
    """Count images read in the block as being decoded until its end: where their full pixels are worked on."""
    with open_gate().holding():
        yield


def list_bands(width: int, height: int) -> list[tuple[int, int]]:
    """List the rows of an image in bands, (first, after the last): what works on copies copies one band at a time."""
    rows = max(1, BAND_PIXELS // max(width, 1))
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]
