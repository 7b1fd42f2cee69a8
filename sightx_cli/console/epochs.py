"""Epochs as lines of one aligned table while training runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.text import Text

from sightx_cli.console.numbers import format_figure, format_seconds
from sightx_cli.console.output import to_line
from sightx_cli.metrics.registry import ACCURACY, find_head
from sightx_cli.recipe.stage_titles import describe_stage

NOT_FIGURES = {"stage", "stages", "epoch", "epochs", "seconds", "metric", "value", "best", "joined"}
ALWAYS = ("train_loss", "valid_loss", ACCURACY.name)
"""Columns beside the metric that chooses the best epoch; the history file has all of them, 80 columns have not."""
LEAST_WIDTH = 10


class EpochTable:
    """Turns epoch rows into lines, with a new header whenever the stage or the columns change."""

    def __init__(self) -> None:
        self._head: tuple[object, ...] = ()

    def add(self, row: Mapping[str, float | int | str]) -> Iterator[Text]:
        """Yield the lines for one epoch: the stage's title and header if they are new, then the figures."""
        figures = choose_figures(row)
        head = (row.get("stage"), *figures)
        if head != self._head:
            self._head = head
            yield Text(f"\n{to_line(describe_stage(str(row.get('stage', '')), bool(row.get('epochs'))))}", "bold")
            names = "".join(f"  {find_head(figure):>{width_of(figure)}}" for figure in figures)
            yield Text(f"  {'epoch':>7}{names}  {'time':>10}  best", "dim")
        count = f"{row.get('epoch')}/{row['epochs']}" if row.get("epochs") else "–"  # a solved head has none
        cells = "".join(f"  {format_figure(value):>{width_of(figure)}}" for figure, value in figures.items())
        took = format_seconds(float(row["seconds"])) if "seconds" in row else ""
        line = Text(f"  {count:>7}{cells}  {took:>10}")
        yield line.append("  ★", "bold green") if row.get("best") else line


def choose_figures(row: Mapping[str, float | int | str]) -> dict[str, float | int | str]:
    """Choose the figures to show: losses, accuracy and the metric if the row names one, else all."""
    figures = {name: value for name, value in row.items() if name not in NOT_FIGURES}
    metric = str(row.get("metric", ""))
    if "value" in row:
        figures[metric] = row["value"]
    return {name: value for name, value in figures.items() if not metric or name in (*ALWAYS, metric)}


def describe_task(task: str) -> str:
    """Call a task by what people know: "stage: last 2 stages and head" for "stage last:2", others as they are."""
    return describe_stage(task.removeprefix("stage "), True) if task.startswith("stage ") else task


def width_of(figure: str) -> int:
    """Give the width of a column: its head, and never less than a figure needs."""
    return max(len(find_head(figure)), LEAST_WIDTH)
