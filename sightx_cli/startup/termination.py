"""SIGTERM, as `kill` and batch systems send it, ends the work as Ctrl-C does: what was done is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED, TERMINATED = "interrupted", "terminated"
"""What ended a work: Ctrl-C, SIGTERM."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


def find_exit_status(interrupt: KeyboardInterrupt) -> int:
    """Return the exit status after Ctrl-C or SIGTERM as shells have it: 128 and the number of the signal."""
    return 128 + (signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT)


def name_interrupt(interrupt: KeyboardInterrupt) -> str:
    """Say what ended a work."""
    return TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED


@contextmanager
def heeding_termination() -> Iterator[None]:
    """Raise Terminated in the block when SIGTERM comes. In another thread than the first, nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def holding_interrupts() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for the end of the block, where they are raised as ever.

    For calls of C++ that run Python within: OpenVINO turns what is raised there into an error of its own, and the
    interrupt would be lost. In another thread than the first, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = {
        number: signal.signal(number, lambda number, frame: came.append((number, frame)))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, signal.SIG_DFL if handler is None else handler)
        for number, frame in came[:1]:
            handler = before[signal.Signals(number)]
            if callable(handler):
                handler(number, frame)
            else:
                signal.raise_signal(number)


def _raise_terminated(*_: int | FrameType | None) -> NoReturn:
    raise Terminated
