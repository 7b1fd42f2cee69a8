"""The picture of how each label fares, where an image may have several: what is found, what is rightly left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sightx_cli.metrics.class_report import ClassFigures
from sightx_cli.metrics.label_report import LabelFigures
from sightx_cli.report.fonts import draw_names
from sightx_cli.report.plots import ACCENT, INK, MUTED, SECOND, _save

DRAWN = 40
"""The most labels in one picture: those that fare worst."""


def plot_labels(classes: Sequence[ClassFigures], path: Path) -> None:
    """Draw each label's sensitivity and specificity with their 95 % intervals and counts; the worst of many."""
    from matplotlib.figure import Figure  # not pyplot, whose backend and open figures are the caller's

    every = [one for one in classes if isinstance(one, LabelFigures)]
    shown = every
    if len(every) > DRAWN:
        shown = sorted(every, key=lambda one: one.sensitivity if one.sensitivity is not None else 2.0)[:DRAWN]
    figure = Figure(figsize=(9, 1.8 + 0.55 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for place, one in enumerate(shown):
        counts = {
            "sensitivity": f"{one.true_positives:,} of {one.support:,} found",
            "specificity": f"{one.false_positives:,} of {one.false_positives + one.true_negatives:,} wrongly given it",
        }
        for what, shift, colour in (("sensitivity", -0.17, ACCENT), ("specificity", 0.17, SECOND)):
            value, interval = getattr(one, what), one.intervals[what]
            if value is None:
                axes.text(0.01, place + shift, f"no image {'with' if shift < 0 else 'without'} it", color=MUTED,
                          va="center", fontsize=8)  # fmt: skip
                continue
            if interval is not None:
                axes.plot(interval, [place + shift] * 2, color=colour, linewidth=1.5)
            axes.plot([value], [place + shift], "o", color=colour, markersize=5, clip_on=False)
            axes.text(1.02, place + shift, f"{value:.2f}   {counts[what]}", color=INK, va="center", fontsize=8)
    names = draw_names([one.label for one in shown])
    axes.set_yticks(range(len(shown)), names.names, parse_math=False, fontfamily=names.families)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color=MUTED, alpha=0.3)
    more = f", the {len(shown)} labels least often found of {len(every):,}" if len(shown) < len(every) else ""
    axes.set_title(f"validation images{more}: sensitivity (blue), specificity (red), 95 % intervals", loc="left",
                   color=INK, fontsize=10)  # fmt: skip
    if names.note:
        figure.text(0.01, 0.0, names.note, color=MUTED, fontsize=7, va="bottom")
        figure.set_layout_engine("constrained", rect=(0, 0.03, 1, 0.97))
    _save(figure, path)
