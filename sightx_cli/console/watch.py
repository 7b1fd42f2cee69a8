"""The end of a watch, on stdout: how many images were labelled, how soon, and where the table is."""

from __future__ import annotations

from rich.text import Text

from sightx_cli.console.numbers import format_count, format_seconds
from sightx_cli.console.output import open_console, to_line
from sightx_cli.results.watch import WatchResult


def show_watch(result: WatchResult) -> None:
    """Show what was labelled while the folder was watched."""
    console = open_console(stderr=False)
    took = format_seconds(result.seconds["total"])
    before = f"   after {format_count(result.before, 'row')} from before" if result.before else ""
    console.print()
    console.print(
        Text(f"{format_count(result.images, 'image')} labelled in {took}", "bold green").append(before, "default")
    )
    widest = max(map(len, result.counts), default=0)
    for name, count in result.counts.items():
        console.print(Text(f"  {to_line(name):<{widest}}  {count:>7,}"), soft_wrap=True)
    left = ": left without a prediction" if result.abstained else ": see the column status"
    for count, what in ((result.unsure, "unsure"), (result.unfamiliar, "unlike the training images")):
        if count:
            console.print(Text(f"{format_count(count, 'image')} {what}{left}", "yellow"))
    if result.unreadable:
        said = f"{format_count(result.unreadable, 'unreadable image')}: see the column error"
        console.print(Text(said, "yellow"))
    if result.waiting:
        said = f"{format_count(result.waiting, 'image')} not labelled yet: the same command goes on with them"
        console.print(Text(said, "yellow"))
    latency = result.latency
    if latency.p50_s is not None and latency.p95_s is not None:
        said = f"half of them within {latency.p50_s:.2f} s, 95 % within {latency.p95_s:.2f} s"
        console.print(Text("from arrival to row ", "dim").append(said, "default"), soft_wrap=True)
    console.print(Text("model ", "dim").append(to_line(result.run), "default"), soft_wrap=True)
    console.print(Text("table ", "dim").append(to_line(result.output), "default"), soft_wrap=True)
    if result.move_to is not None:
        said = f"{to_line(result.move_to)}   {format_count(result.moved, 'file')} moved"
        console.print(Text("files ", "dim").append(said, "default"), soft_wrap=True)
