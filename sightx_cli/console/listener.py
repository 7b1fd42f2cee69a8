"""Progress on stderr: bars at a terminal, plain lines in a log, only warnings with --quiet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING

from rich.text import Text

from sightx_cli.console.epochs import EpochTable, describe_task
from sightx_cli.console.numbers import format_figure, format_seconds
from sightx_cli.console.output import open_console, to_line
from sightx_cli.progress import Notice

if TYPE_CHECKING:
    from sightx_cli.console.bars import Bars

PATIENCE_SECONDS = 2.0
"""Work shorter than this is not worth a bar or a line."""
LOG_EVERY_SECONDS = 30.0
"""How often a long task writes a line to a log."""


@dataclass
class Progress:
    """One running task, for the plain lines of a log."""

    total: int | None
    unit: str
    begun: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)
    done: int = 0

    def describe(self) -> str:
        """Describe its progress: 320 of 5,216 images; empty if nothing was counted."""
        if not self.done and self.total is None:
            return ""
        of = f" of {self.total:,}" if self.total is not None and self.total != self.done else ""
        unit = self.unit.removesuffix("s") if self.done == 1 and not of else self.unit
        return f"{self.done:,}{of} {unit}"


class ConsoleListener:
    """Shows progress on stderr (`sightx_cli.progress.Listener`). Use it in a `with`, so that bars are cleared.

    Args:
        quiet: show only warnings.
        explain: show every value and reason of the plan, where otherwise it is told in words.
    """

    def __init__(self, quiet: bool = False, explain: bool = False) -> None:
        self.quiet = quiet
        self.explain = explain
        self._console = open_console(stderr=True)
        self._bars: Bars | None = None
        self._tasks: dict[str, Progress] = {}
        self._epochs = EpochTable()
        self._lock = RLock()

    def __enter__(self) -> ConsoleListener:
        """Start listening."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Clear the bars, even after a failure, so that the next output starts on its own line."""
        with self._lock:
            self._tasks.clear()
            if self._bars is not None:
                self._bars.stop()
            if kind is not None and issubclass(kind, KeyboardInterrupt):
                self._print(Text("interrupted", "bold yellow"))

    def note(self, text: str) -> None:
        """Print one plain line (hidden by --quiet)."""
        if not self.quiet:
            self._print(Text(to_line(text)), wrap=True)

    def warn(self, text: str) -> None:
        """Print one line that the user should act on (always shown)."""
        self._print(Text("warning: ", "bold yellow").append(to_line(text), "default"), wrap=True)

    def notice(self, notice: Notice) -> None:
        """Print what was left out, cut, assumed or found, as a warning where it is one."""
        (self.warn if notice.warns else self.note)(notice.text)

    def show_plan(
        self, title: str, rows: Sequence[tuple[str, str, str]], sentence: str, words: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Show what will be done, in words; with `explain` also every reason, and each value with its origin."""
        if self.quiet:
            return
        from sightx_cli.console.plan import build_plan_view

        with self._lock:
            self._console.print(build_plan_view(title, words, rows if self.explain else (), sentence))

    def start(self, task: str, total: int | None, unit: str) -> None:
        """Begin a task; its bar appears once it has taken two seconds."""
        if self.quiet:
            return
        with self._lock:
            self._tasks[task] = Progress(total, unit)
            if self._console.is_terminal:
                self._open_bars().begin(task, total, unit)

    def advance(self, task: str, units: int = 1, figures: Mapping[str, float] | None = None) -> None:
        """Advance a task, with a line in a log twice a minute. A task that was never started is ignored."""
        with self._lock:
            state = self._tasks.get(task)
            if state is None:
                return
            state.done += units
            if self._console.is_terminal:
                self._open_bars().move(task, units, figures or {})
            elif (now := time.monotonic()) - state.said >= LOG_EVERY_SECONDS:
                state.said = now
                said = "".join(f", {name} {format_figure(value)}" for name, value in (figures or {}).items())
                self._print(Text(f"{to_line(describe_task(task))}: {state.describe()}{said}"))

    def finish(self, task: str) -> None:
        """End a task; one line replaces its bar if it took over two seconds."""
        with self._lock:
            state = self._tasks.pop(task, None)
            if state is None:
                return
            if self._bars is not None:
                self._bars.end(task, last=not self._tasks)
            seconds = time.monotonic() - state.begun
            if seconds >= PATIENCE_SECONDS and state.unit != "batches":  # the line of an epoch says enough
                said = f"{state.describe()} in {format_seconds(seconds)}".strip()
                self._print(Text(f"{to_line(task)}: {said}", "dim"))

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        """Show one epoch as a line of an aligned table."""
        if self.quiet:
            return
        with self._lock:
            for line in self._epochs.add(row):
                self._print(line)

    def _print(self, line: Text, wrap: bool = False) -> None:
        """Print a line; with `wrap` a terminal breaks it between words, where it would break within one."""
        with self._lock:
            self._console.print(line, soft_wrap=not (wrap and self._console.is_terminal))

    def _open_bars(self) -> Bars:
        if self._bars is None:
            from sightx_cli.console.bars import Bars  # rich.progress costs a tenth of a second

            self._bars = Bars(self._console, PATIENCE_SECONDS)
        return self._bars
