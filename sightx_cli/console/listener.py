"""How work is followed on stderr: bars at a terminal, plain lines in a log, warnings alone with --quiet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING

from rich.text import Text

from sightx_cli.console.epochs import EpochTable
from sightx_cli.console.numbers import format_figure, format_seconds
from sightx_cli.console.output import open_console, to_line

if TYPE_CHECKING:
    from sightx_cli.console.bars import Bars

PATIENCE_SECONDS = 2.0
"""Work shorter than this is not worth a bar or a line."""
LOG_EVERY_SECONDS = 30.0
"""A log that nobody redraws hears from a long task this often."""


@dataclass
class Task:
    """One piece of work under way, for the plain lines of a log."""

    total: int | None
    unit: str
    begun: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)
    done: int = 0

    def describe(self) -> str:
        """Say how far it is: 320 of 5,216 images; nothing where nothing was counted."""
        if not self.done and self.total is None:
            return ""
        of = f" of {self.total:,}" if self.total is not None and self.total != self.done else ""
        return f"{self.done:,}{of} {self.unit}"


class ConsoleListener:
    """Follows a workflow on stderr (`sightx_cli.progress.Listener`). Use it in a `with`, so that bars are cleared.

    Args:
        quiet: show warnings only.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._console = open_console(stderr=True)
        self._bars: Bars | None = None
        self._tasks: dict[str, Task] = {}
        self._epochs = EpochTable()
        self._lock = RLock()

    def __enter__(self) -> ConsoleListener:
        """Begin to listen."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Clear the bars, also when the work failed, so that what is printed next stands on a line of its own."""
        with self._lock:
            self._tasks.clear()
            if self._bars is not None:
                self._bars.stop()
            if kind is KeyboardInterrupt:
                self._print(Text("interrupted", "bold yellow"))

    def note(self, text: str) -> None:
        """Say one plain line (hidden by --quiet)."""
        if not self.quiet:
            self._print(Text(to_line(text)))

    def warn(self, text: str) -> None:
        """Say one line that the user should act on (shown always)."""
        self._print(Text("warning: ", "bold yellow").append(to_line(text), "default"))

    def show_plan(self, title: str, rows: Sequence[tuple[str, str, str]], sentence: str) -> None:
        """Show what will be done as a table of (what, value, where the value is from), and one sentence of why."""
        if self.quiet:
            return
        from sightx_cli.console.plan import build_plan_view

        with self._lock:
            self._console.print(build_plan_view(title, rows, sentence))

    def start(self, task: str, total: int | None, unit: str) -> None:
        """Begin a task; its bar appears once it has taken two seconds."""
        if self.quiet:
            return
        with self._lock:
            self._tasks[task] = Task(total, unit)
            if self._console.is_terminal:
                self._open_bars().begin(task, total, unit)

    def advance(self, task: str, units: int = 1, figures: Mapping[str, float] | None = None) -> None:
        """Move a task on; a log hears of it twice a minute. A task that was never begun is ignored."""
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
                self._print(Text(f"{to_line(task)}: {state.describe()}{said}"))

    def finish(self, task: str) -> None:
        """End a task, with one line in place of its bar if it took over two seconds."""
        with self._lock:
            state = self._tasks.pop(task, None)
            if state is None:
                return
            if self._bars is not None:
                self._bars.end(task, last=not self._tasks)
            seconds = time.monotonic() - state.begun
            if seconds >= PATIENCE_SECONDS and state.unit != "batches":  # batches end in the line of their epoch
                said = f"{state.describe()} in {format_seconds(seconds)}".strip()
                self._print(Text(f"{to_line(task)}: {said}", "dim"))

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        """Show one epoch as a line of a table that keeps its columns."""
        if self.quiet:
            return
        with self._lock:
            for line in self._epochs.add(row):
                self._print(line)

    def _print(self, line: Text) -> None:
        with self._lock:
            self._console.print(line, soft_wrap=True)

    def _open_bars(self) -> Bars:
        if self._bars is None:
            from sightx_cli.console.bars import Bars  # rich.progress costs a tenth of a second

            self._bars = Bars(self._console, PATIENCE_SECONDS)
        return self._bars
