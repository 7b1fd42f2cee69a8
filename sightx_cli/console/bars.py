"""Progress bars at a terminal: count, unit, time left and the current figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TaskID, TextColumn

from sightx_cli.console.epochs import describe_task
from sightx_cli.console.numbers import format_figure, format_seconds
from sightx_cli.console.output import to_line

REDRAWS_PER_SECOND = 5
NARROW_COLUMNS = 90
"""Below this width only the count and the time left are shown, without the current figures."""


class Bars(Progress):
    """Bars that appear only once a task has taken `patience` seconds, and vanish when it ends."""

    def __init__(self, console: Console, patience: float) -> None:
        plain, dim = partial(TextColumn, markup=False), partial(TextColumn, markup=False, style="dim")
        columns = (
            SpinnerColumn("dots", style="cyan"),
            plain("{task.description}"),
            BarColumn(bar_width=24, complete_style="cyan", finished_style="cyan", pulse_style="cyan"),
            plain("{task.fields[count]}"),
            dim("{task.fields[left]}"),
            dim("{task.fields[figures]}"),
        )
        self._patience = patience
        self._ids: dict[str, TaskID] = {}
        super().__init__(
            *columns,
            console=console,
            transient=True,
            refresh_per_second=REDRAWS_PER_SECOND,
            redirect_stdout=False,  # stdout carries data
        )

    def get_renderables(self) -> Iterable[RenderableType]:
        """Show the tasks that have run for long enough."""
        lasting = [task for task in self.tasks if (task.elapsed or 0.0) >= self._patience]
        for task in lasting:
            task.fields.update(count=describe_count(task), left=describe_time_left(task))
        if lasting:
            yield self.make_tasks_table(lasting)

    def begin(self, name: str, total: int | None, unit: str) -> None:
        """Begin a bar; a running one of the same name restarts."""
        self.start()
        if name in self._ids:
            self.remove_task(self._ids.pop(name))
        self._ids[name] = self.add_task(
            to_line(describe_task(name)), total=total, unit=unit, count="", left="", figures=""
        )

    def move(self, name: str, units: int, figures: Mapping[str, float]) -> None:
        """Advance a bar."""
        self.advance(self._ids[name], units)
        if figures and self.console.width >= NARROW_COLUMNS:
            shown = "  ".join(f"{figure} {format_figure(value)}" for figure, value in figures.items())
            self.update(self._ids[name], figures=shown)

    def end(self, name: str, last: bool) -> None:
        """End a bar; the last one restores the cursor."""
        self.remove_task(self._ids.pop(name))
        if last:
            self.stop()


def describe_count(task: Task) -> str:
    """Describe a task's progress: 320/5,216 images; empty if nothing is counted."""
    if task.total is None and not task.completed:
        return ""
    of = f"/{task.total:,.0f}" if task.total is not None else ""
    return f"{task.completed:,.0f}{of} {task.fields['unit']}"


def describe_time_left(task: Task) -> str:
    """Estimate a task's remaining time from its speed over the last half minute; its age if that is unknown."""
    left, age = task.time_remaining, task.elapsed or 0.0
    if left is None:
        return f"{age:.0f} s" if age < 60 else format_seconds(age)
    return f"{left:.0f} s left" if left < 60 else f"{format_seconds(left)} left"
