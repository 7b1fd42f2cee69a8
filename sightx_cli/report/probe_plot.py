"""The plot of a probe: each choice with its standard error, and the metric for each stage of the network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sightx_cli.metrics.registry import METRICS, find_title
from sightx_cli.report.plots import ACCENT, INK, MUTED, SECOND, _new_figure, _save
from sightx_cli.results.probe import StageFigure, Trial


def plot_probe(choices: Sequence[Trial], depth: Sequence[StageFigure], metric: str, path: Path) -> None:
    """Plot every measured value on the left, the chosen ones marked, and the metric by depth on the right."""
    figure, (left, right) = _new_figure(2)
    # One axis shows one kind of figure: class weights may be judged by another.
    falls = METRICS[metric].lower_is_better
    rows = [trial for trial in reversed(choices) if METRICS[trial.metric].lower_is_better == falls]
    name = find_title(metric) + (" (lower is better)" if falls else "")
    for place, trial in enumerate(rows):
        colour = SECOND if trial.chosen else ACCENT
        left.errorbar(trial.mean, place, xerr=trial.standard_error, fmt="o", color=colour, capsize=3)
        other = "" if trial.metric == metric else f"  ({find_title(trial.metric)})"
        left.annotate(
            f"{trial.mean:.3f}{other}", (trial.mean, place), (0, 6), textcoords="offset points",
            ha="center", fontsize=7, color=INK,
        )  # fmt: skip
        if place and rows[place - 1].setting != trial.setting:
            left.axhline(place - 0.5, color=MUTED, linewidth=0.6, linestyle=":")
    left.set_yticks(range(len(rows)), [f"{row.setting.rpartition('.')[2]} {row.value}" for row in rows])
    left.set_ylim(-0.6, len(rows) - 0.2)
    left.set_title("choices (red: taken), ± one standard error", loc="left", fontsize=10)
    left.set_xlabel(name)
    places = range(len(depth))
    alone = [(stage.alone, stage.alone_error) for stage in depth]
    up_to = [(stage.up_to, stage.up_to_error) for stage in depth]
    for figures, colour, label in ((alone, ACCENT, "this stage alone"), (up_to, MUTED, "with all before it")):
        values = [float("nan") if value is None else value for value, _ in figures]
        errors = [error for _, error in figures]
        right.errorbar(places, values, yerr=errors, color=colour, label=label, marker="o", markersize=4, capsize=2)
    right.set_xticks(places, [stage.stage for stage in depth], rotation=35, ha="right", parse_math=False)
    right.set_title("a head on the output of each stage", loc="left", fontsize=10)
    right.set_ylabel(name)
    if depth:
        right.legend(frameon=False, fontsize=8)
    _save(figure, path)
