"""The figures of each class as people read them: how many of its images are recognised, how often its name is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from sightx_cli.console.numbers import format_count
from sightx_cli.console.output import to_line

if TYPE_CHECKING:
    from sightx_cli.metrics.class_report import ClassFigures

CLASSES_SHOWN = 8
"""Up to this many classes all are shown."""
WORST_SHOWN = 3
"""Of more classes, those of which the fewest images are recognised."""


def build_classes(
    parts: Mapping[str, Sequence[ClassFigures]], everything: str = "", show_all: bool = False
) -> list[Table | Text]:
    """Build the table of classes, each with its sensitivity and precision in each part; many: the worst three.

    Of labels of which an image may have several, the specificity stands in place of the precision.

    `everything` is the command that shows them all. The list is empty where no part has figures by class.
    """
    known = {name: {one.label: one for one in classes} for name, classes in parts.items() if classes}
    if not known:
        return []
    labels = list(dict.fromkeys(label for classes in known.values() for label in classes))
    are_labels = any(one.threshold is not None for classes in known.values() for one in classes.values())
    shown = labels if show_all or len(labels) <= CLASSES_SHOWN else find_worst(labels, known)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("" if len(shown) == len(labels) else f"worst of {format_count(len(labels), 'class', 'classes')}")
    for name in known:
        table.add_column(f"{name}: sensitivity", justify="right")
        table.add_column("specificity" if are_labels else "precision", justify="right")
    for label in shown:
        cells = [Text(f"  {to_line(label)}", overflow="fold")]
        for classes in known.values():
            cells += format_class(classes.get(label), are_labels)
        table.add_row(*cells)
    if len(shown) == len(labels):
        return [table]
    more = f"  {len(labels) - len(shown):,} more" + f": {everything}" * bool(everything)
    return [table, Text(more, "dim")]


def find_worst(labels: Sequence[str], parts: Mapping[str, Mapping[str, ClassFigures]]) -> list[str]:
    """Find the classes of which the smallest share is recognised, in the last part that has images of them."""

    def rate(label: str) -> tuple[float, int]:
        found = [one for classes in parts.values() if (one := classes.get(label)) and one.sensitivity is not None]
        return (found[-1].sensitivity or 0.0, -found[-1].support) if found else (2.0, 0)

    return sorted(labels, key=rate)[:WORST_SHOWN]


def format_class(figures: ClassFigures | None, is_label: bool = False) -> list[Text]:
    """Format a class's cells: "0.800 (16 of 20)" and its precision; red where nothing of it is recognised.

    A label's second cell is its specificity.
    """
    if figures is not None and is_label:
        return [_format_sensitivity(figures), Text(format_share(figures.specificity))]
    if figures is None or figures.sensitivity is None:
        return [Text("no images", "dim"), Text("" if figures is None or figures.precision is None else "0.000")]
    precision = "never predicted" if figures.precision is None else f"{figures.precision:.3f}"
    return [_format_sensitivity(figures), Text(precision, "bold red" if figures.precision is None else "")]


def format_share(value: float | None) -> str:
    """Format a share; "–" where there is none."""
    return "–" if value is None else f"{value:.3f}"


def _format_sensitivity(figures: ClassFigures) -> Text:
    if figures.sensitivity is None:
        return Text("no images", "dim")
    right = round(figures.sensitivity * figures.support)
    return Text(f"{figures.sensitivity:.3f} ({right:,} of {figures.support:,})", "" if right else "bold red")
