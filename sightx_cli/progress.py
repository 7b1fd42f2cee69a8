"""Progress reporting for long-running work: workflows call a `Listener`, the console implements one.

Workflows print nothing. They tell a listener what happens; `Silent` is the default in the Python API, and `Recorder`
keeps everything for reading afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Notice:
    """Something left out, cut, assumed or found, in words that say what to type to change it.

    Whatever is done with the user's files or labels without being asked for is one of these: at the terminal, in
    `notices` of the JSON, and in `plan.json`.
    """

    kind: str
    """What it is about, in a word or two joined by hyphens: the same kind for the same thing everywhere."""
    text: str
    count: int = 0
    """Of how many files, rows or classes it tells; 0 where there is nothing to count."""
    warns: bool = False
    """Whether the user should act on it, or the figures may mislead: then it is shown even with --quiet."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of one of `notices`."""
        return {"kind": self.kind, "count": self.count, "text": self.text}


class Listener(Protocol):
    """What a workflow reports while it works. Every method returns immediately and never raises."""

    def note(self, text: str) -> None:
        """Print one plain line (hidden by --quiet)."""

    def warn(self, text: str) -> None:
        """Print one line that the user should act on (always shown)."""

    def notice(self, notice: Notice) -> None:
        """Tell what was left out, cut, assumed or found: as a warning or a plain line, and in the result."""

    def show_plan(
        self, title: str, rows: Sequence[tuple[str, str, str]], sentence: str, words: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Show the plan before work starts: in `words`, and its rows of (what, value, origin) and reasons if asked."""

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

    def notice(self, notice: Notice) -> None:
        """Say nothing."""

    def show_plan(
        self, title: str, rows: Sequence[tuple[str, str, str]], sentence: str, words: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Show nothing."""

    def start(self, task: str, total: int | None, unit: str) -> None:
        """Start nothing."""

    def advance(self, task: str, units: int = 1, figures: Mapping[str, float] | None = None) -> None:
        """Count nothing."""

    def finish(self, task: str) -> None:
        """Finish nothing."""

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        """Report nothing."""


@contextmanager
def reporting(listener: Listener, task: str) -> Iterator[None]:
    """Report a task whose parts are not counted while the block runs, and end it whatever happens."""
    listener.start(task, None, "")
    try:
        yield
    finally:
        listener.finish(task)


@dataclass
class Recorder(Silent):
    """A listener that prints nothing and records every message, in order."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    """The titles of the tasks that began."""
    plans: list[tuple[str, Sequence[tuple[str, str, str]], str]] = field(default_factory=list)
    """Title, rows and explanation of each plan shown."""
    plan_words: list[dict[str, str]] = field(default_factory=list)
    """What each of them says in words."""

    def note(self, text: str) -> None:
        """Record the line."""
        self.notes.append(text)

    def warn(self, text: str) -> None:
        """Record the line."""
        self.warnings.append(text)

    def notice(self, notice: Notice) -> None:
        """Record it, and its words among the warnings or notes."""
        self.notices.append(notice)
        (self.warnings if notice.warns else self.notes).append(notice.text)

    def show_plan(
        self, title: str, rows: Sequence[tuple[str, str, str]], sentence: str, words: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Record the plan."""
        self.plans.append((title, rows, sentence))
        self.plan_words.append(dict(words))

    def start(self, task: str, total: int | None, unit: str) -> None:  # noqa: ARG002 - as every listener
        """Record the task."""
        self.tasks.append(task)


class Relay:
    """Passes everything on to a listener and remembers warnings and notices, which belong in a result too."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.warnings: list[str] = []
        self.notices: list[Notice] = []

    def warn(self, text: str) -> None:
        """Remember the line, and pass it on, once."""
        if text in self.warnings:
            return
        self.warnings.append(text)
        self._listener.warn(text)

    def notice(self, notice: Notice) -> None:
        """Remember it, once, and pass it on."""
        if notice in self.notices:
            return
        self.notices.append(notice)
        if notice.warns:
            self.warnings.append(notice.text)
        self._listener.notice(notice)

    def __getattr__(self, name: str) -> Any:
        """Give the listener's own method."""
        return getattr(self._listener, name)
