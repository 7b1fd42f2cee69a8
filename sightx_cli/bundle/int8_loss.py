"""What whole numbers of 8 bits cost a model: labels that change, and accuracy."""

from __future__ import annotations

from collections.abc import Sequence

from sightx_cli.bundle.exporter import Probabilities
from sightx_cli.bundle.parity import hold_against
from sightx_cli.metrics.registry import find_title
from sightx_cli.task.task import Task

LEAST_INT8_AGREEMENT = 0.99
"""The share of images that must keep their label."""
FIGURE = "accuracy"


def find_loss(task: Task, labels: Sequence[str], expected: Probabilities, found: Probabilities) -> str:
    """Say what is lost where it is too much, "" where it is not.

    Too much is more than one label in a hundred, and a fall of the accuracy (of several labels, of the figure that
    judges their decisions) by more than half of its own 95 % interval: less cannot be told from chance.
    """
    parity = hold_against(task, expected, found)
    if parity.agreement < LEAST_INT8_AGREEMENT:
        return (
            f"{len(parity.changed):,} of {parity.images:,} validation images get another label than by this model "
            f"({parity.agreement:.1%} agree; {LEAST_INT8_AGREEMENT:.0%} must)"
        )
    targets = task.number(labels)
    figures, after = task.measure_figures(expected, targets), task.measure_figures(found, targets)
    name = FIGURE if figures.get(FIGURE) is not None else task.label_metric.name
    interval, before, now = task.measure_intervals(expected, targets).get(name), figures.get(name), after.get(name)
    if interval is None or before is None or now is None:
        return ""  # nothing to measure it on: all labels agree to a hundredth
    allowed = (interval[1] - interval[0]) / 2
    if before - now <= allowed:
        return ""
    return (
        f"{find_title(name)} falls from {before:.3f} to {now:.3f} on {parity.images:,} validation images; "
        f"{allowed:.3f} is half of its 95 % interval, the most allowed"
    )
