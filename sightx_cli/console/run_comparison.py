"""The end of `compare`: the models side by side, and in words whether they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sightx_cli.console.figures import format_interval
from sightx_cli.console.numbers import format_count, format_figure
from sightx_cli.console.output import open_console, print_words, to_line
from sightx_cli.metrics.registry import METRICS
from sightx_cli.results.compare import CORRECTED, SAME, describe_pair, format_p

if TYPE_CHECKING:
    from sightx_cli.results.compare import ComparedModel, CompareResult


def show_run_comparison(result: CompareResult) -> None:
    """Show a comparison: the figures of each model, and each difference to the first with its interval."""
    from sightx_cli.task.kinds import TASKS

    console = open_console(stderr=False)
    names = [to_line(model.folder) for model in result.models]
    by_group = ", resampled by group" if result.intervals_by == "groups" else ""
    console.print()
    console.print(Text(f"{format_count(result.images, 'image')} in common ({result.part}){by_group}", "bold"))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    headline = TASKS[result.task].headline.name
    for key, metric in sorted(METRICS.items(), key=lambda item: item[0] != headline):
        if any(model.metrics.get(key) is not None for model in result.models):
            cells = (format_figure(model.metrics.get(key)) for model in result.models)
            table.add_row(f"  {metric.title}", *cells, style="bold" if key == headline else "")
    console.print(table)
    for name, model in zip(names[1:], result.models[1:], strict=True):
        console.print(build_differences(name, names[0], model))
        print_words(console, Text(f"  {describe_pair(model, names[0], headline)}"))
    pairs = [model.against_first for model in result.models if model.against_first is not None]
    if any(not one.is_same for pair in pairs for one in pair.differences.values()):
        print_words(console, Text(f"  {CORRECTED}; each p is of its figure alone", "dim"))
    if result.page is not None:
        console.print(Text("page  ", "dim").append(to_line(result.page)), soft_wrap=True)


def build_differences(name: str, first: str, model: ComparedModel) -> Table:
    """Build the table of how a model differs from the first: by each metric, with its 95 % interval and p."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column(f"{name} against {first}", header_style="", overflow="fold")
    table.add_column("difference", justify="right")
    table.add_column("95 % interval")
    table.add_column("p", justify="right")
    pair = model.against_first
    for key, one in (pair.differences if pair else {}).items():
        style = "bold" if one.is_different else ""
        table.add_row(
            f"  {METRICS[key].title}",
            "0" if one.is_same else f"{one.difference:+.4f}",
            SAME if one.is_same else format_interval(one.interval),
            "" if one.is_same else format_p(one.p),
            style=style,
        )
    return table
