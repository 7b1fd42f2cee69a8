"""The plots of a run: training curves, and the learning-rate finder's curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli.metrics.registry import METRICS, find_title

INK, MUTED, ACCENT, SECOND = "#1d2733", "#8a97a6", "#1769aa", "#d1495b"
MARKS = {"valley": (SECOND, "o"), "steep": ("#2e8b57", "o"), "minimum": ("#b8860b", "o")}
"""Colour and shape of the finder's suggestions; the recipe's own rate is drawn in ink."""
DPI = 120
HIGHEST = 1.005
"""The upper limit of an axis for metrics of at most 1, with room for the mark of the best epoch."""
LEAST_SPAN = 0.1
"""The least that the axis of such a metric spans: closer, one image in a hundred looks like a cliff."""


def plot_training(history: Sequence[Mapping[str, Any]], metric: str, path: Path, train_loss: str = "") -> None:
    """Plot losses and the selecting metric over all epochs, stages side by side, the best epoch marked.

    `train_loss` says in a few words what the loss of training is measured with, if it is not what valid is.
    """
    figure, (left, right) = _new_figure(2)
    epochs = np.arange(len(history))
    named = f"train ({train_loss})" if train_loss else "train"
    if len(history) > 1:  # a head that is fitted directly, which is all there may be, has no loss of training
        left.plot(epochs, [row["train_loss"] for row in history], color=MUTED, label=named, marker=".")
    left.plot(epochs, [row["valid_loss"] for row in history], color=ACCENT, label="valid", marker=".")
    left.set_title("loss", loc="left")
    left.set_ylim(bottom=0)
    left.legend(frameon=False, fontsize=8)
    values = [row.get(metric, float("nan")) for row in history]
    right.plot(epochs, values, color=ACCENT, marker=".")
    right.set_title(f"{find_title(metric)} (valid)", loc="left")
    limit_axis(right, metric)
    best = max((place for place, row in enumerate(history) if row.get("best")), default=None)
    if best is not None:
        right.plot([best], [values[best]], "o", color=SECOND, markersize=9, label="kept")
        right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.set_xlabel("epoch (0: linear head, fitted directly)")
        axes.set_xlim(-0.5, len(history) - 0.5)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        for place in range(1, len(history)):
            if history[place]["stage"] != history[place - 1]["stage"]:
                axes.axvline(place - 0.5, color=MUTED, linewidth=0.8, linestyle=":")
    _save(figure, path)


def limit_axis(axes: Any, metric: str) -> None:
    """End the axis of a figure that cannot exceed 1 there, and let it span LEAST_SPAN; a loss begins at 0."""
    if METRICS[metric].lower_is_better:
        axes.set_ylim(bottom=0)
        return
    low, high = axes.get_ylim()
    lacking = max(LEAST_SPAN - (high - low), 0)
    high = min(high + lacking / 2, HIGHEST)
    axes.set_ylim(min(low, high - LEAST_SPAN), high)


def plot_rates(rates: Sequence[float], losses: Sequence[float], marks: Mapping[str, float], path: Path) -> None:
    """Draw the finder's curve, loss over rate, with the suggestions marked."""
    figure, (axes,) = _new_figure(1)
    axes.plot(rates, losses, color=ACCENT)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate of the head")
    axes.set_ylabel("loss (smoothed)")
    known = [loss for loss in losses if np.isfinite(loss)]
    lowest, fall = min(known), max(losses[0] - min(known), 0.2 * abs(losses[0]))
    axes.set_ylim(lowest - 0.2 * fall, losses[0] + 0.5 * fall)
    for name, rate in marks.items():
        loss = float(np.interp(np.log(rate), np.log(rates), losses))
        colour, shape = MARKS.get(name, (INK, "D"))
        axes.plot([rate], [loss], shape, color=colour, markersize=8, label=f"{name}  {rate:.1e}")
    axes.legend(frameon=False)
    axes.set_title("learning-rate finder", loc="left")
    _save(figure, path)


def _new_figure(columns: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * columns, 3.6), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)
    for one in axes[0]:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(colors=INK)
    return figure, axes[0]


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, dpi=DPI, format="png")
