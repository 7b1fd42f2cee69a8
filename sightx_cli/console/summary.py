"""The end of a command: key figures and where the result is on stdout, what to type next on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sightx_cli.console.classes import build_classes
from sightx_cli.console.curve import draw_curve
from sightx_cli.console.doubt import describe_doubt
from sightx_cli.console.figures import build_figures, format_interval, head_interval
from sightx_cli.console.numbers import format_bytes, format_count, format_figure, format_rate, format_seconds
from sightx_cli.console.output import open_console, print_table, print_words, to_line
from sightx_cli.errors import quote
from sightx_cli.metrics.registry import METRICS
from sightx_cli.recipe.rates import HEAD
from sightx_cli.recipe.stage_titles import SOLVED
from sightx_cli.results.fit import VALIDATED
from sightx_cli.runs import PICTURES, write_resume
from sightx_cli.startup.termination import INTERRUPTED, TERMINATED

if TYPE_CHECKING:
    from sightx_cli.metrics.fold_intervals import FoldFigures
    from sightx_cli.results.cache import CacheListing
    from sightx_cli.results.fit import FitResult
    from sightx_cli.results.lr_find import LrFindResult
    from sightx_cli.results.predict import PredictResult
    from sightx_cli.results.retrain import Retraining

ONE_SIDED = 0.8
"""From this share of one class on, the accuracy of always answering it is said: it looks good and means nothing."""

CURVE_COLUMNS, CURVE_LINES, BAR_COLUMNS, UNREADABLE_SHOWN = 78, 8, 30, 5


def name_next_command(result: FitResult) -> tuple[str, str]:
    """Name the command to type after a fit, and say what it does."""
    if result.stopped in (INTERRUPTED, TERMINATED):
        return write_resume(result.run), "goes on with it; sightx predict FOLDER uses its best epoch so far"
    return "sightx predict FOLDER", "labels new images with this run"


def show_fit(result: FitResult) -> None:
    """Show a finished fit: figures of the valid part (and the test part), with 95 % intervals where there are."""
    from sightx_cli.task.kinds import load_task

    console = open_console(stderr=False)
    images, task = result.images, load_task({"kind": result.task, "classes": result.classes})
    took = format_seconds(result.seconds["total"])
    done = f"done in {took}"
    if result.stopped:
        by_you = result.stopped in (INTERRUPTED, TERMINATED)
        done = f"{'stopped by you' if by_you else 'ended early'} after {took}, best epoch kept"
    console.print()
    console.print(
        Text(done, "bold green").append(
            f"   {result.recipe}, {images['train']:,} images to train, {images['valid']:,} to validate,"
            f" {task.describe()}",
            "default",
        ),
        soft_wrap=True,
    )
    parts = {"valid": result.valid} | ({"test": result.test} if result.test else {})
    console.print(build_figures(parts, result.best.metric))
    for name, part in parts.items():
        if (largest := part.report.find_largest()) and ONE_SIDED <= largest[1] < 1:
            said = f"  {to_line(largest[0])} makes up {largest[1]:.0%} of {name}: always answering it is as accurate"
            print_words(console, Text(said, "dim"))
    everything = f"sightx runs show {quote(result.run)}"
    for line in build_classes({name: part.report.classes for name, part in parts.items()}, everything):
        console.print(line)
    if result.selected_on:
        console.print(Text("  best epoch chosen on these same validation images: figures a little flattered", "dim"))
    if leaks := result.leaks:
        shared = (
            (leaks.groups, "group", "groups"),
            (leaks.files, "identical file", "identical files"),
            (leaks.copies.copies if leaks.copies else 0, "re-saved copy", "re-saved copies"),
        )
        found = " and ".join(format_count(count, one, many) for count, one, many in shared if count)
        console.print(Text(f"  {found} on both sides of the split: the figures are flattered", "yellow"))
    if result.cross_validation:
        is_tuned = result.best.stage not in (SOLVED, HEAD)
        console.print(_build_validation(result.cross_validation, is_tuned))
    if result.retraining:
        show_retraining(console, result.retraining)
    for doubt in describe_doubt(result):
        print_words(console, Text(f"  {doubt}", "dim"))
    _print_unreadable(console, len(result.unreadable), "left out", result.unreadable)
    drawn = [f"{name} ({shows})" for name, shows in PICTURES.items() if (result.run / name).is_file()]
    if drawn:
        console.print(Text("drawn ", "dim").append(", ".join(drawn), "default"), soft_wrap=True)
    console.print(Text("run   ", "dim").append(to_line(result.run)), soft_wrap=True)
    if result.report:
        console.print(Text("report ", "dim").append(to_line(result.run / result.report)), soft_wrap=True)


def show_retraining(console: Console, retraining: Retraining) -> None:
    """Show the earlier run and the new one side by side, on the same images."""
    before, after = retraining.before, retraining.after
    if before is None or after is None:
        return
    on = format_count(retraining.compared_on, "validation image")
    earlier = to_line(_shorten(retraining.run))
    console.print(Text(f"\n{earlier} against this run, on {on} that neither was trained on"), soft_wrap=True)
    console.print(build_figures({"before": before, "after": after}, retraining.metric))
    if (found := retraining.difference) and found.difference:
        low, high = found.interval
        chance = "more than chance explains" if found.is_different else "which chance may explain"
        said = f"  {METRICS[retraining.metric].title} {found.difference:+.4f} ({low:+.3f} to {high:+.3f}), {chance}"
        print_words(console, Text(said, "dim"))


def _build_validation(validation: FoldFigures, is_tuned: bool) -> Table:
    """Build the table of the usual cross-validated figures, each the mean over the folds."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    other = " (not the tuned model)" if is_tuned else ""
    table.add_column(f"{validation.folds}-fold cross-validation, {VALIDATED}{other}", header_style="")
    table.add_column("mean", justify="right")
    table.add_column(head_interval(validation.intervals_by))
    for key, metric in METRICS.items():
        mean = validation.metrics.get(key)
        if mean is not None and metric.each_epoch:  # the others stand in metrics.json
            table.add_row(f"  {metric.title}", format_figure(mean), format_interval(validation.intervals.get(key)))
    return table


def show_lr_find(result: LrFindResult) -> None:
    """Show the result of the learning-rate finder: the curve, its suggestions, the plot's file."""
    console = open_console(stderr=False)
    encodes_braille = "utf" in (sys.stdout.encoding or "").lower()
    width = min(console.width, CURVE_COLUMNS)
    console.print(Text("\nloss over learning rate", "bold"))
    for line in draw_curve(result.rates, result.losses, result.marks, width, CURVE_LINES, not encodes_braille):
        console.print(Text(line, "cyan"), soft_wrap=True)
    console.print()
    lacks = "the loss still falls at the end" if any(result.suggestions.values()) else "the loss does not fall"
    for name, rate in {**result.suggestions, "recipe": result.recipe_rate}.items():
        chosen = "   chosen" if rate == result.chosen else ""
        shown = format_rate(rate) if rate else f"–         {lacks}"
        console.print(Text(f"  {name:<8} {shown}").append(chosen, "bold green"))
    print_words(console, Text(f"  {to_line(result.why)}"))
    console.print(Text("plot  ", "dim").append(to_line(result.plot)), soft_wrap=True)


def show_predict(result: PredictResult) -> None:
    """Show what was predicted: how many images, how many of each class, with which run, and where the table is."""
    console = open_console(stderr=False)
    speed = f"{result.images_per_second:,.0f} images/s" if result.images_per_second else "all there already"
    console.print()
    console.print(
        Text(
            f"{format_count(result.images, 'image')} in {format_seconds(result.seconds['total'])}", "bold green"
        ).append(f"   {speed}", "default")
    )
    most, widest = max(result.counts.values(), default=0), max(map(len, result.counts), default=0)
    for name, count in result.counts.items():
        bar = "━" * max(round(BAR_COLUMNS * count / most), 1) if count else ""
        console.print(Text(f"  {to_line(name):<{widest}}  {count:>7,}  ").append(bar, "cyan"), soft_wrap=True)
    left = ": left without a prediction" if result.abstained else ": see the column status"
    for count, what in ((result.unsure, "unsure"), (result.unfamiliar, "unlike the training images")):
        if count:
            console.print(Text(f"{format_count(count, 'image')} {what}{left}", "yellow"))
    if decision := result.decision:
        together, chosen = " or ".join(map(to_line, decision["positive"])), f"{decision['chosen']}, {decision['on']}"
        said = f"{together} from a probability of {decision['threshold']:.3f} on ({to_line(chosen)})"
        console.print(Text("decided ", "dim").append(said, "default"), soft_wrap=True)
        if len(result.counts) > 2:
            said = "by this, the column decision; the counts above are of the likeliest class"
            console.print(Text(f"        {said}", "dim"), soft_wrap=True)
    _print_unreadable(console, result.unreadable, "listed with the error in the table")
    model, known_by = to_line(_shorten(result.run)), ""
    if result.figure is not None:
        name, value = result.figure
        known_by = f"   {METRICS[name].title} {format_figure(value)} on its validation images"
        if decision and len(result.counts) == 2:  # of more classes the threshold does not decide the prediction
            known_by += " by the likelier class, not by this threshold"
    console.print(Text("model ", "dim").append(model, "default").append(known_by, "dim"), soft_wrap=True)
    console.print(Text("table ", "dim").append(to_line(result.output)), soft_wrap=True)
    if result.heatmaps is not None:
        console.print(Text("heatmaps ", "dim").append(to_line(result.heatmaps)), soft_wrap=True)
    if result.annotations is not None:
        where = to_line(_shorten(result.annotations))
        how = Text("   how-to-import.txt there says what to type", "dim")
        console.print(Text("written for another tool ", "dim").append(where, "default").append(how), soft_wrap=True)


def _shorten(path: Path) -> Path:
    """Return a path as it is typed from the current folder, where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _print_unreadable(console: Console, count: int, what: str, lines: Sequence[str] = ()) -> None:
    """Count the images that could not be read, and list the first."""
    if count:
        console.print(Text(f"{format_count(count, 'unreadable image')}, {what}", "yellow"))
    for line in lines[:UNREADABLE_SHOWN]:
        console.print(Text(f"  {to_line(line)}"), soft_wrap=True)


def show_cache(listing: CacheListing) -> None:
    """Show the cached features, the most recently used first, and the disk space they take."""
    for title, entries in (("", listing.entries), ("elsewhere", listing.elsewhere)):
        rows = [
            (entry.name, format_bytes(entry.bytes_on_disk), f"{entry.last_used:%Y-%m-%d %H:%M}", entry.what)
            for entry in entries
        ]
        if rows:
            print_table(title, ("name", "size", "last used", "contents"), rows)
    open_console(stderr=False).print(
        Text(f"{format_bytes(listing.total_bytes)} of {format_bytes(listing.budget_bytes)}   ", "bold").append(
            str(listing.folder), "default"
        ),
        soft_wrap=True,
    )
