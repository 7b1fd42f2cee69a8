"""The end of `evaluate`: the figures, the classes, the subgroups, and where all is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sightx_cli.console.classes import build_classes
from sightx_cli.console.figures import build_figures, format_interval
from sightx_cli.console.numbers import format_count, format_figure, format_seconds
from sightx_cli.console.output import open_console, print_words, to_line
from sightx_cli.metrics.registry import METRICS
from sightx_cli.results.calibration import OUT_OF_FOLD

if TYPE_CHECKING:
    from sightx_cli.results.evaluate import DoubtFigures, EvaluateResult, MeasuredDecision, Subgroups, ViewFigures

UNREADABLE_SHOWN = 5


def show_evaluation(result: EvaluateResult) -> None:
    """Show a finished evaluation."""
    from sightx_cli.task.kinds import TASKS

    console = open_console(stderr=False)
    part = "" if result.part == "all" else f"{result.part} part of "
    console.print()
    console.print(
        Text(f"done in {format_seconds(result.seconds['total'])}", "bold green").append(
            f"   {format_count(result.figures.images, 'image')}, {part}{to_line(result.source)}", "default"
        ),
        soft_wrap=True,
    )
    headline = TASKS[result.task].headline.name
    parts = {"images": result.figures} | ({"per unit": result.per.figures} if result.per else {})
    console.print(build_figures(parts, headline))
    if result.per:
        words = f"  per unit: {result.per.figures.images:,} by {result.per.column}, from the {result.per.rule}"
        print_words(console, Text(words, "dim"))
    everything = f"metrics.json in {to_line(result.folder)}"
    for line in build_classes({"images": result.figures.report.classes}, everything):
        console.print(line)
    if result.tta:
        print_words(console, Text(f"  {describe_averaging(result.tta, headline)}"))
    if result.doubt:
        print_words(console, Text(f"  {describe_statuses(result.doubt, headline)}"))
    if result.decision:
        console.print(build_decision_table(result.decision))
        print_words(console, Text(f"  {describe_threshold(result.decision)}", "dim"))
    for subgroups in result.by:
        if subgroups.groups:
            console.print(build_subgroups(subgroups, headline))
    if result.unreadable:
        said = f"{format_count(len(result.unreadable), 'unreadable image')}, in no figure"
        console.print(Text(said, "yellow"))
        for which in result.unreadable[:UNREADABLE_SHOWN]:
            console.print(Text(f"  {to_line(which)}"), soft_wrap=True)
    console.print(Text("model  ", "dim").append(to_line(result.run)), soft_wrap=True)
    console.print(Text("folder ", "dim").append(to_line(result.folder)), soft_wrap=True)
    if result.report:
        console.print(Text("report ", "dim").append(to_line(result.report)), soft_wrap=True)


def describe_averaging(tta: ViewFigures, metric: str) -> str:
    """Say what averaging over views gained, by the figure that people ask for first, and what it cost."""
    slower = tta.plain_images_per_second / max(tta.images_per_second, 1e-9)
    cost = f"{slower:.1f} times as long"
    one = tta.gained.get(metric)
    if one is None:
        return f"the mean of {tta.views} views takes {cost}"
    sure = "more than chance" if one.is_different else "no more than chance"
    gained = f"{METRICS[metric].title} {one.difference:+.4f} ({format_interval(one.interval)}, {sure})"
    return f"the mean of {tta.views} views: {gained}, and takes {cost}"


def describe_statuses(doubt: DoubtFigures, metric: str) -> str:
    """Say how many predictions are sure, and how good these are alone."""
    said = f"sure of {doubt.sure:,}, unsure of {doubt.unsure:,}, unfamiliar {doubt.unfamiliar:,}"
    if doubt.figures is None:
        return said
    value, interval = doubt.figures.metrics.get(metric), doubt.figures.intervals.get(metric)
    return f"{said}; {METRICS[metric].title} of the sure ones {format_figure(value)} ({format_interval(interval)})"


def build_decision_table(decision: MeasuredDecision) -> Table:
    """Build the table of what a threshold reaches: each share with its interval; predictive values at prevalences."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    reached = decision.reached
    table.add_column(f"{' + '.join(map(to_line, decision.positives))} from {decision.threshold:.3f}", header_style="")
    table.add_column("", justify="right")
    table.add_column("95 % interval")
    for name in ("sensitivity", "specificity", "ppv", "npv"):
        title = name.upper() if name in ("ppv", "npv") else name
        table.add_row(f"  {title}", format_figure(reached.figures[name]), format_interval(reached.intervals[name]))
    for one in reached.at_prevalences:
        for title, value, interval in (("PPV", one.ppv, one.ppv_interval), ("NPV", one.npv, one.npv_interval)):
            table.add_row(f"  {title} at {one.prevalence:.3g}", format_figure(value), format_interval(interval))
    if reached.cost is not None:
        table.add_row("  cost of an image", f"{reached.cost:.4f}", "")
    return table


def describe_threshold(decision: MeasuredDecision) -> str:
    """Say how a threshold was chosen, what it found and missed, and whether predict decides by it."""
    reached = decision.reached
    on = "out-of-fold predictions" if decision.chosen_on == OUT_OF_FOLD else decision.chosen_on
    chosen = f"{decision.chosen}, chosen on {on}" if decision.chosen_on else decision.chosen
    found = reached.true_positives + reached.false_negatives
    alarms = format_count(reached.false_positives, "false alarm")
    said = f"{chosen}: {reached.true_positives:,} of {found:,} found, {alarms}"
    kept = "predict and evaluate decide by it from now on, the accuracy above is by what decided before"
    return f"{said}; {kept}" if decision.is_kept else said


def build_subgroups(subgroups: Subgroups, metric: str) -> Table:
    """Build the table of one column's subgroups: how many images, the figure, its interval; the worst in bold."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column(f"by {to_line(subgroups.column)}", header_style="")
    table.add_column("images", justify="right")
    table.add_column(METRICS[metric].title, justify="right")
    table.add_column("95 % interval")
    table.add_column("")
    for one in subgroups.groups:
        figures = one.figures
        remark = "too few to rank" if one.is_small else "lowest" if one.is_worst else ""
        cells = (f"{figures.images:,}", format_figure(figures.metrics.get(metric)))
        interval = format_interval(figures.intervals.get(metric))
        table.add_row(f"  {to_line(one.value)}", *cells, interval, remark, style="bold" if one.is_worst else "")
    return table
