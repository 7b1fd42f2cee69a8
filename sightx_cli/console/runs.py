"""Runs as people read them: the list, one in full, and the question before anything is removed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from sightx_cli.console.classes import build_classes
from sightx_cli.console.figures import build_figures
from sightx_cli.console.numbers import format_bytes, format_count, format_figure
from sightx_cli.console.output import UNBOUNDED_COLUMNS, open_console, to_line
from sightx_cli.errors import UsageError
from sightx_cli.metrics.registry import ACCURACY, find_head, find_title
from sightx_cli.recipe.stage_titles import describe_stage
from sightx_cli.results.runs import ENDED_EARLY, FINISHED, IN_TRAINING, UNFINISHED

if TYPE_CHECKING:
    from datetime import datetime

    from sightx_cli.results.runs import (
        ForgottenThreshold,
        Leftover,
        Removal,
        RemovalResult,
        RunDetails,
        RunListing,
        RunSummary,
    )

STYLES = {FINISHED: "green", ENDED_EARLY: "yellow", UNFINISHED: "yellow", IN_TRAINING: "cyan"}
LATEST = "latest"


def show_runs(listing: RunListing) -> None:
    """Show the runs of a folder as a table, what killed processes left there, and what all of it holds on disk."""
    console, talk = open_console(stderr=False), open_console(stderr=True)
    if listing.runs:
        table = _build_runs(listing.runs, ", " if console.width == UNBOUNDED_COLUMNS else "\n")
        unbounded = console.options.update(max_width=UNBOUNDED_COLUMNS)
        if console.measure(table, options=unbounded).maximum > console.width:
            table = _build_narrow_runs(listing.runs, console.width)
        console.print(table)
    if listing.leftovers:
        console.print(Text("\nleft by processes that were killed", "bold"))
        console.print(_build_leftovers(listing.leftovers))
    held = f", {format_bytes(listing.total_bytes)}" if listing.total_bytes else ""
    total = Text(f"\n{format_count(len(listing.runs), 'run')}{held}   ", "bold")
    talk.print(total.append(to_line(listing.folder.absolute()), "default"), soft_wrap=True)
    if listing.latest is not None and not any(one.is_latest for one in listing.runs):
        gone = "" if listing.latest.exists() else ", which is gone"
        talk.print(Text(to_line(f"{listing.folder / LATEST} is {listing.latest}{gone}")), soft_wrap=True)


def _build_runs(runs: Sequence[RunSummary], break_with: str) -> Table:
    """Build the table of runs."""
    table = _build_table(("run", "state", "recipe", "images", "best", "size", "when"), {"images", "size"})
    for one in runs:
        table.add_row(
            to_line(one.run.name),
            _join([one.state, *_mark(one)], break_with, STYLES[one.state]),
            to_line(one.recipe or "–"),
            _count_images(one) or "–",
            _join(_describe_best(one), break_with),
            format_bytes(one.bytes_on_disk),
            _format_time(one.when),
        )
    return table


def _build_narrow_runs(runs: Sequence[RunSummary], width: int) -> Table:
    """Build the table for a narrow terminal: recipe and images below the name, the time below the state."""
    table = _build_table(("run", "state", "best", "size"), {"size"})
    longest = max(len(to_line(one.run.name)) for one in runs)
    for column, is_whole in zip(table.columns, (longest <= width // 2, True, False, True), strict=True):
        column.no_wrap = is_whole
    for one in runs:
        images = _count_images(one)
        table.add_row(
            _join([one.run.name, ", ".join([one.recipe or "no recipe yet", *[f"{images} images"] * bool(images)])]),
            _join([one.state, *_mark(one), _format_time(one.when)], "\n", STYLES[one.state]),
            _join(_describe_best(one)),
            format_bytes(one.bytes_on_disk),
        )
    return table


def _mark(one: RunSummary) -> list[str]:
    return [LATEST] if one.is_latest else []


def _count_images(one: RunSummary) -> str:
    return f"{sum(one.images.values()):,}" if one.images else ""


def _describe_best(one: RunSummary) -> list[str]:
    """Describe the best figure, and where training stands if it has not ended."""
    figure = f"{find_head(one.best.metric)} {format_figure(one.figure)}" if one.best else "–"
    where = "now at" if one.state == IN_TRAINING else "stopped at"
    return [figure, f"{where} {one.reached}"] if one.reached else [figure]


def _build_leftovers(leftovers: Sequence[Leftover]) -> Table:
    table = _build_table(("name", "size", "last changed"), {"size"})
    for one in leftovers:
        table.add_row(to_line(one.path.name), format_bytes(one.bytes_on_disk), _format_time(one.when))
    return table


def _build_table(columns: Sequence[str], right: set[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def _join(lines: Sequence[str], break_with: str = "\n", style: str = "") -> Text:
    """Join the lines of a cell, all but the first of them dim."""
    cell = Text(to_line(lines[0]), style)
    for line in lines[1:]:
        cell.append(break_with).append(to_line(line), "dim")
    return cell


def _format_time(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M}"


def show_run(details: RunDetails) -> None:
    """Show a run: what it is, why, its figures with their intervals, its files."""
    console, summary = open_console(stderr=False), details.summary
    console.print()
    state = f"{summary.state}{', ' + LATEST if summary.is_latest else ''}"
    console.print(
        Text(to_line(summary.run.absolute().name), "bold")
        .append(f"   {state}", STYLES[summary.state])
        .append(f"   {_format_time(summary.when)}   {format_bytes(summary.bytes_on_disk)}", "default"),
        soft_wrap=True,
    )
    facts = {"why": details.sentence or "nothing is decided yet"}
    if summary.reached:
        facts["goes on"] = f"after {summary.reached}"
    if summary.best:
        best, title = summary.best, find_title(summary.best.metric)
        epoch = f", epoch {best.epoch}" if best.epoch else ""
        stage = describe_stage(best.stage, bool(best.epoch))
        facts["best"] = f"{stage}{epoch}: {title} {format_figure(summary.figure)} on the valid part"
    facts["command"] = details.command or "not kept: an earlier version of sightx made this run"
    grid = Table.grid(padding=(0, 2))
    for name, text in facts.items():
        grid.add_row(Text(name, "dim"), Text(to_line(text), overflow="fold"))
    console.print(grid)
    if details.parts:
        console.print()
        console.print(build_figures(details.parts, summary.best.metric if summary.best else ACCURACY.name))
        for line in build_classes({name: part.classes for name, part in details.parts.items()}, show_all=True):
            console.print(line)
    if details.selected_on:
        console.print(Text("  best epoch chosen on these same validation images: figures a little flattered", "dim"))
    files = _build_table(("file", "size"), {"size"})
    for name, size in details.files.items():
        files.add_row(to_line(name), format_bytes(size))
    console.print()
    console.print(files)
    console.print(Text("\nrun   ", "dim").append(to_line(summary.run.absolute())), soft_wrap=True)


def ask_removal(removal: Removal) -> bool:
    """List on stderr what is to be removed and ask whether it may be; raises UsageError where nobody can be asked."""
    total = f"{format_count(len(removal.items), 'item')}, {format_bytes(removal.total_bytes)}"
    if not sys.stdin.isatty():
        raise UsageError(f"{total} would be removed, but there is no terminal to ask at", removal.command)
    console = open_console(stderr=True)
    table = _build_table(("to remove", "size", "state"), {"size"})
    for item in removal.items:
        others = [f"with {', '.join(item.others)}, which no fit made"] if item.others else []
        name = to_line(item.path.name)
        table.add_row(name, format_bytes(item.bytes_on_disk), _join([item.what, *others]))
    console.print(table)
    console.print(Text(f"\nremove {total}, for good? [y/N] ", "bold"), end="", soft_wrap=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def show_removal(result: RemovalResult) -> None:
    """Say what was removed, and the bytes that it held."""
    console = open_console(stderr=False)
    for path in result.removed:
        console.print(Text("removed  ", "dim").append(to_line(path)), soft_wrap=True)
    freed = f"{format_bytes(result.bytes_freed)} freed" if result.removed else "nothing removed"
    console.print(Text(freed, "bold green" if result.removed else ""))


def show_forgotten(result: ForgottenThreshold) -> None:
    """Say which threshold was taken back, and what decides instead."""
    console, decision = open_console(stderr=False), result.decision
    together, chosen = " or ".join(map(to_line, decision["positive"])), f"{decision['chosen']}, {decision['on']}"
    said = f"{together} from a probability of {decision['threshold']:.3f} on ({to_line(chosen)})"
    console.print(Text("forgotten ", "dim").append(said, "default"), soft_wrap=True)
    console.print(Text("predict and evaluate go by the likeliest class again"), soft_wrap=True)
    console.print(Text("run       ", "dim").append(to_line(result.run)), soft_wrap=True)
