"""The end of a probe: what was measured, what was chosen, and where freezing pays off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from sightx_cli.console.numbers import format_count, format_seconds
from sightx_cli.console.output import open_console, print_table, to_line
from sightx_cli.metrics.registry import find_title

if TYPE_CHECKING:
    from sightx_cli.results.probe import ProbeResult


def show_probe(result: ProbeResult) -> None:
    """Show a probe's choices as a table, its evidence in words, and the figures of each stage."""
    console, probed = open_console(stderr=False), result.probed
    console.print()
    console.print(
        Text(f"measured in {format_seconds(result.seconds['probe'])}", "bold green").append(
            f"   {result.recipe}, {format_count(probed.images, 'image')} of the train part, "
            f"budget {format_seconds(probed.budget_seconds)}",
            "default",
        ),
        soft_wrap=True,
    )
    columns = ("choice", "value", "metric", "mean", "± error", "time", "chosen")
    rows = [
        (
            trial.setting,
            trial.value,
            find_title(trial.metric),
            f"{trial.mean:.3f}",
            f"{trial.standard_error:.3f}",
            format_seconds(trial.seconds),
            "★" if trial.chosen else "",
        )
        for trial in probed.choices
    ]
    if rows:
        print_table("", columns, rows)
    for line in probed.evidence:
        console.print(Text(f"  {to_line(line)}"), soft_wrap=True)
    for line in probed.skipped:
        console.print(Text(f"  not tried: {to_line(line)}", "yellow"), soft_wrap=True)
    if result.depth:
        metric = find_title(probed.metric)
        stages = [
            (stage.stage, *("–" if value is None else f"{value:.3f}" for value in (stage.alone, stage.up_to)))
            for stage in result.depth
        ]
        print_table("a head on the features of each stage", ("stage", f"{metric}, alone", "with all before it"), stages)
        console.print(Text(f"  {to_line(result.freezing)}"), soft_wrap=True)
    if not probed.chosen:
        console.print(Text("no variant is clearly better: recipe unchanged", "bold"))
    console.print(Text("plot  ", "dim").append(to_line(result.picture)), soft_wrap=True)
