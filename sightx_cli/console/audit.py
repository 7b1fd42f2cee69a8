"""An audit as people read it: the network stage by stage, what trains, what is cached, and why so much trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from sightx_cli.console.numbers import format_bytes, format_count, format_large, format_shape, format_short_rate
from sightx_cli.console.output import UNBOUNDED_COLUMNS, open_console, to_line

if TYPE_CHECKING:
    from sightx_cli.results.audit import AuditResult

BAR_COLUMNS = 16
"""Length of the longest bar, that of the stage with most parameters."""

DISPENSABLE = ("share", "activations", "output", "mult-adds")
"""Columns dropped on a narrow terminal, in this order."""

UNCUT = "so features are cached only if the whole backbone is frozen"
EXAMPLE_IMAGES = 1000


def show_audit(result: AuditResult) -> None:
    """Show an audit."""
    console = open_console(stderr=False)
    console.print()
    _print_heading(console, result)
    table = _build_stages(result)
    unbounded = console.options.update(max_width=UNBOUNDED_COLUMNS)
    for place in range(len(DISPENSABLE)):
        if console.measure(table, options=unbounded).maximum > console.width:
            table = _build_stages(result, DISPENSABLE[: place + 1])
    console.print(table)
    if result.cost.networks:
        each = (
            f"{one.name} {one.parameters:,} parameters, {format_large(one.macs)} multiply-adds"
            for one in result.cost.networks
        )
        _print_paragraph(console, "each  ", "; ".join(each))
    if len(result.training) > 1 or len(result.final.trainable_after) > 1:
        console.print(_build_training(result))
    if result.cost.why_uncut:
        _print_paragraph(console, "cuts  ", f"not between stages: {result.cost.why_uncut}, {UNCUT}")
    _print_kept(console, result)
    if result.why:
        _print_paragraph(console, "why   ", result.why)
    if result.capacity:
        lacking = result.capacity.is_enough is False
        said = result.capacity.describe(in_full=lacking or result.why is not None)
        _print_paragraph(console, "data  ", said, "yellow" if lacking else "")
    if result.run:
        console.print(Text("run   ", "dim").append(to_line(result.run)), soft_wrap=True)


def _print_heading(console: Console, result: AuditResult) -> None:
    """Print what was audited, how much of it trains, and the result of the forward check."""
    cost = result.cost
    assumed = "" if result.is_classes_given else ", --classes N for yours"
    what = f"   {result.backbone}, {result.size_px} px, {result.classes:,} classes{assumed}"
    name = result.recipe or result.backbone
    what = what if result.recipe else what.replace(f"{result.backbone}, ", "", 1)
    console.print(Text(to_line(name), "bold green").append(to_line(what), "default"), soft_wrap=True)
    trains = f"  {cost.total:,} parameters, {result.final.trainable:,} "
    trains += "in the head" if not result.recipe else "trainable" + " in the last stage" * (len(result.training) > 1)
    macs = f" ({result.trainable_percent:.2f} %), {format_large(cost.macs)} multiply-adds per image"
    console.print(Text(trains).append(macs), soft_wrap=True)
    finite = Text("finite", "green") if cost.is_finite else Text("NOT finite", "bold red")
    shapes = f"  checked: {_bracket(cost.input_shape)} → {_bracket(cost.output_shape)}, "
    weights = "trained" if result.run else "random"
    console.print(Text(shapes).append(finite).append(f" (a random image, {weights} weights)", "dim"), soft_wrap=True)


def _bracket(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))})"


def _build_stages(result: AuditResult, without: Sequence[str] = ()) -> Table:
    """Build the table of the network's stages, the head last, then the total."""
    cost, final = result.cost, result.final
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0), show_footer=True)
    columns = {
        "stage": "total",
        "parameters": f"{cost.total:,}",
        "share": "",
        "train": f"{final.trainable:,}",
        "rate": "",
        "output": "",
        "mult-adds": format_large(cost.macs),
        "activations": format_bytes(cost.activation_bytes),
    }
    left_out = {*without, *(() if result.recipe else ("rate",))}
    shown = [name for name in columns if name not in left_out]
    for name in shown:
        justify: JustifyMethod = "left" if name in ("stage", "share", "output") else "right"
        table.add_column(name, columns[name], justify=justify, no_wrap=name != "rate", footer_style="bold")
    widest = max(stage.parameters for stage in cost.stages)
    for stage, trainable, rates in zip(cost.stages, final.trainable_of, final.rates_of, strict=True):
        frozen = not trainable and stage.parameters > 0
        cells = {
            "stage": Text(to_line(stage.name)),
            "parameters": Text(f"{stage.parameters:,}"),
            "share": _draw_share(stage.parameters, trainable, widest),
            "train": Text("frozen") if frozen else Text(f"{trainable:,}", "green"),
            "rate": Text(", ".join(map(format_short_rate, rates))),
            "output": Text(" + ".join(map(format_shape, stage.map_shapes)) or "–"),
            "mult-adds": Text(format_large(stage.macs)),
            "activations": Text(format_bytes(stage.activation_bytes)),
        }
        table.add_row(*(cells[name] for name in shown), style="dim" if frozen else "")
    return table


def _draw_share(parameters: int, trainable: int, widest: int) -> Text:
    """Draw a stage's parameters as a bar relative to the largest stage: trainable ones bright, frozen ones dim."""
    whole = round(BAR_COLUMNS * parameters / widest)
    bright = round(BAR_COLUMNS * trainable / widest)
    return Text("━" * bright, "green").append("━" * (whole - bright), "dim")


def _build_training(result: AuditResult) -> Table:
    """Build the small table of the recipe's training stages; the last one is what the main table shows."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    table.add_column("training stage", overflow="fold")
    for column in ("epochs", "train", "share"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("rates", overflow="fold")
    table.add_column("")
    for stage in result.training:
        rates = sorted({rate for found in stage.rates_of for rate in found})
        span = " to ".join(map(format_short_rate, dict.fromkeys((rates[0], rates[-1]))))
        for after, trainable in stage.trainable_after:
            title = f"  after {format_count(after, 'epoch')}" if after else to_line(stage.title)
            epochs, rate = ("", "") if after else (f"{stage.epochs:,}", span)
            is_shown = stage is result.final and after == stage.trainable_after[-1][0]
            shown = Text("shown above", "green") if is_shown else Text("")
            share = f"{result.percent(trainable):.2f} %"
            table.add_row(Text(title), epochs, f"{trainable:,}", share, rate, shown)
    return table


def _print_kept(console: Console, result: AuditResult) -> None:
    """Print which features are cached for each image."""
    if not result.kept:
        why = "no training stage has a frozen part" if result.cost.can_be_cut else "the whole network runs each epoch"
        _print_paragraph(console, "cache ", f"nothing: {why}")
        return
    outputs = ", ".join(f"{one.name} {format_shape(one.shape)} ({format_bytes(one.bytes)})" for one in result.kept)
    each = result.bytes_per_reading
    said = f"{format_bytes(each)} for each view of an image in float16: {outputs}"
    if result.views > 1:
        said += f"; {format_count(result.views, 'view')} of each image, {format_bytes(result.views * each)}"
    said += f"; {EXAMPLE_IMAGES:,} images {format_bytes(EXAMPLE_IMAGES * result.views * each)}"
    _print_paragraph(console, "cache ", said)


def _print_paragraph(console: Console, label: str, text: str, colour: str = "") -> None:
    """Print a labelled paragraph: wrapped beside its label at a terminal, as one line elsewhere."""
    if not console.is_terminal:
        console.print(Text(label).append(to_line(text)), soft_wrap=True)
        return
    table = Table.grid(padding=0)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(style=colour)
    table.add_row(Text(label), Text(to_line(text)))
    console.print(table)
