"""The networks at hand or to download, as people read them, and how each does on their images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sightx_cli.console.comparison import AT_HAND
from sightx_cli.console.numbers import format_bytes, format_count, format_large, format_seconds
from sightx_cli.console.output import UNBOUNDED_COLUMNS, open_console, print_table, print_words, to_line
from sightx_cli.console.probe import BEHIND, explain_star, format_behind, is_judged_by_loss
from sightx_cli.metrics.registry import LOSS, find_title

if TYPE_CHECKING:
    from sightx_cli.results.backbones import BackboneProbe, BackbonesResult, NetworkCandidate

DISPENSABLE = ("stages", "mult-adds", "weights file")
"""Columns dropped on a narrow terminal, in this order."""


def show_backbones(result: BackbonesResult) -> None:
    """Show the networks, the cheapest first, and what was measured of them."""
    console, networks = open_console(stderr=False), result.networks
    console.print()
    if result.online is None:
        said = "with their weights on this machine"
    else:
        said = f'that timm has weights for, by "{to_line(result.online)}"'
    console.print(
        Text(format_count(len(networks), "network"), "bold green").append(f" {said}", "default"), soft_wrap=True
    )
    _print_fitting(console, networks)
    if result.online is not None:
        _explain_downloads(console, networks)
    _explain_speeds(console, networks)
    if result.probe is not None:
        _show_probe(console, result.probe)


def _print_fitting(console: Console, networks: tuple[NetworkCandidate, ...]) -> None:
    """Print the table, on a narrow terminal without some of its columns."""
    table = _build_table(networks)
    unbounded = console.options.update(max_width=UNBOUNDED_COLUMNS)
    for place in range(len(DISPENSABLE)):
        if console.measure(table, options=unbounded).maximum > console.width:
            table = _build_table(networks, DISPENSABLE[: place + 1])
    console.print(table)


def _build_table(networks: tuple[NetworkCandidate, ...], without: tuple[str, ...] = ()) -> Table:
    """Build the table: a row for each network, and no column that all leave empty."""
    rows = [_list_cells(one) for one in networks]
    names = list(dict.fromkeys(name for cells in rows for name in cells))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    shown = [name for name in names if name not in without]
    for name in shown:
        is_text = name in ("network", "weights", "stages")
        table.add_column(name, justify="left" if is_text else "right", overflow="fold", no_wrap=True)
    for cells in rows:
        table.add_row(*(cells.get(name, Text("–", "dim")) for name in shown))
    return table


def _list_cells(one: NetworkCandidate) -> dict[str, Text]:
    """List what is known of a network, by column."""
    cells = {
        "network": Text(to_line(one.name)),
        "weights": Text(*AT_HAND[one.weights]),
        "image": Text(f"{one.size_px} px"),
    }
    if one.parameters is not None and one.macs is not None and one.weights_bytes is not None:
        about = "about " if one.weights == "network" else ""
        cells["parameters"] = Text(format_large(one.parameters))
        cells["mult-adds"] = Text(format_large(one.macs))
        cells["weights file"] = Text(about + format_bytes(one.weights_bytes))
        cells["stages"] = Text(f"{one.stages}" if one.can_be_cut else "trains whole")
    for precision, rate in (one.speed.images_per_second if one.speed else {}).items():
        cells[f"images/s\n{precision}"] = Text(f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}")
    return cells


def _explain_downloads(console: Console, networks: tuple[NetworkCandidate, ...]) -> None:
    """Say what is needed to use a network that is not at hand."""
    first = next((one for one in networks if one.weights == "network"), None)
    if first is None:
        return
    from sightx_cli.model.weights_at_hand import find_weights_folder

    print_words(
        console,
        Text(
            "Downloading needs a network: the first fit with --backbone NAME does it. Without one, bring the file "
            f"model.safetensors of its repository (huggingface.co/{to_line(first.source)}, say) and save it as "
            f"{to_line((find_weights_folder() or Path()) / first.name)}.safetensors."
        ),
    )


def _explain_speeds(console: Console, networks: tuple[NetworkCandidate, ...]) -> None:
    """Say on what the speeds were measured."""
    speeds = [one.speed for one in networks if one.speed is not None]
    if not speeds:
        return
    first = speeds[0]
    days = " to ".join(dict.fromkeys((min(one.measured for one in speeds), max(one.measured for one in speeds))))
    on = f"{first.processor}, {format_count(first.threads, 'thread')}, {first.engine}"
    said = f"images/s: through the whole frozen network, without reading them; {on}, {days} (--speed measures again)"
    console.print(Text(to_line(said), "dim"), soft_wrap=True)


def _show_probe(console: Console, probe: BackboneProbe) -> None:
    """Print how each network does on the user's images, and which one to take."""
    trials = [one.trial for one in probe.networks]
    is_compared = is_judged_by_loss(trials)
    columns = ["network", "image", find_title(probe.metric), LOSS.title, *([BEHIND] if is_compared else []), "time", ""]
    rows = []
    for one, trial in zip(probe.networks, trials, strict=True):
        figure = f"{trial.mean:.3f} ± {trial.standard_error:.3f}"
        cells = [one.name, f"{one.size_px} px", figure, f"{one.log_loss:.3f}"]
        cells += [format_behind(trial)] if is_compared else []
        rows.append((*cells, format_seconds(trial.seconds), "★" if trial.chosen else ""))
    title = (
        f"a linear head on each, cross-validated on {format_count(probe.images, 'image')} of the train part "
        f"({probe.recipe})"
    )
    print_table(title, columns, rows)
    if len(trials) > 1:
        print_words(console, Text(explain_star(trials)))
    for line in probe.untried:
        print_words(console, Text(f"  not tried: {to_line(line)}", "yellow"))
