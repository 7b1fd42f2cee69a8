"""Progress reporting for long-running work: workflows call a `Listener`, the console implements one.

Workflows print nothing. They tell a listener what happens; `Silent` is the default in the Python API, and `Recorder`
keeps everything for reading afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


class Listener(Protocol):
    """What a workflow reports while it works. Every method returns immediately and never raises."""

    def note(self, text: str) -> None:
        """Print one plain line (hidden by --quiet)."""

    def warn(self, text: str) -> None:
        """Print one line that the user should act on (always shown)."""

    def show_plan(self, title: str, rows: Sequence[tuple[str, str, str]], sentence: str) -> None:
        """Show the plan before work starts: rows of (what, value, origin), and why in a sentence or more."""

    def start(self, task: str, total: int | None, unit: str) -> None:
        """Begin a task of `total` units (None: unknown), for example ("stage 1: head", 320, "batches")."""

    def advance(self, task: str, units: int = 1, figures: Mapping[str, float] | None = None) -> None:
        """Report `units` more as done, with the current figures, for example {"loss": 0.31}."""

    def finish(self, task: str) -> None:
        """End a task."""

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        """Report one finished epoch: stage, epoch, epochs, losses, `metric` (its name), its value, seconds."""


class Silent:
    """A listener that says nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""

    def show_plan(self, title: str, rows: Sequence[tuple[str, str, str]], sentence: str) -> None:
        """Show nothing."""

    def start(self, task: str, total: int | None, unit: str) -> None:
        """Start nothing."""

    def advance(self, task: str, units: int = 1, figures: Mapping[str, float] | None = None) -> None:
        """Count nothing."""

    def finish(self, task: str) -> None:
        """Finish nothing."""

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        """Report nothing."""


@dataclass
class Recorder(Silent):
    """A listener that prints nothing and records every message, in order."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    """The titles of the tasks that began."""
    plans: list[tuple[str, Sequence[tuple[str, str, str]], str]] = field(default_factory=list)
    """Title, rows and explanation of each plan shown."""

    def note(self, text: str) -> None:
        """Record the line."""
        self.notes.append(text)

    def warn(self, text: str) -> None:
        """Record the line."""
        self.warnings.append(text)

    def show_plan(self, title: str, rows: Sequence[tuple[str, str, str]], sentence: str) -> None:
        """Record the plan."""
        self.plans.append((title, rows, sentence))

    def start(self, task: str, total: int | None, unit: str) -> None:  # noqa: ARG002 - as every listener
        """Record the task."""
        self.tasks.append(task)


class Relay:
    """Passes everything on to a listener and remembers the warnings, which belong in a result too."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Remember the line, and pass it on."""
        self.warnings.append(text)
        self._listener.warn(text)

    def __getattr__(self, name: str) -> Any:
        """Give the listener's own method."""
        return getattr(self._listener, name)
