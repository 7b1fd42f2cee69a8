"""The picture of what a model takes for what: a matrix of counts, and of many classes the pairs most often confused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.report.fonts import DrawnNames, draw_names
from sightx_cli.report.plots import INK, MUTED, _save

COUNTED_CLASSES = 30
"""Up to this many classes every cell has its count and every row its name; of more, the worst pairs stand beside."""
PAIRS_SHOWN, LONGEST_OF_MANY = 20, 32
MATRIX_INCHES = 7.0
"""The side of the matrix of many classes."""


def plot_confusion(confusion: Sequence[Sequence[int]], classes: Sequence[str], path: Path) -> None:
    """Draw the confusion matrix: rows are true classes, shaded by the share of the row."""
    from matplotlib.figure import Figure  # not pyplot, whose backend and open figures are the caller's

    counts, is_small = np.array(confusion), len(classes) <= COUNTED_CLASSES
    names = draw_names(classes, *(() if is_small else (LONGEST_OF_MANY,)))
    if is_small:
        side = 2.5 + 0.55 * len(classes)
        figure = Figure(figsize=(side + 1, side), layout="constrained")
        axes = figure.subplots()
        _shade(axes, counts, "validation images")
        _write_cells(axes, counts, names)
    else:
        figure = Figure(figsize=(2 * MATRIX_INCHES, MATRIX_INCHES + 0.6), layout="constrained")
        axes, beside = figure.subplots(1, 2)
        _shade(axes, counts, f"validation images, {len(classes):,} classes in their order")
        axes.set_xticks([])
        axes.set_yticks([])
        _list_pairs(beside, counts, names)
    if names.note:
        figure.text(0.01, 0.0, names.note, color=MUTED, fontsize=7, va="bottom")
        figure.set_layout_engine("constrained", rect=(0, 0.03, 1, 0.97))
    _save(figure, path)


def find_confusions(counts: NDArray[np.int64], most: int) -> list[tuple[int, int, int, int]]:
    """Find the pairs confused most often: true class, predicted class, how many images, of how many of that class."""
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    totals = counts.sum(1)
    return [
        (int(row), int(column), int(wrong[row, column]), int(totals[row]))
        for row, column in pairs
        if wrong[row, column]
    ]


def _shade(axes: Any, counts: NDArray[np.int64], title: str) -> None:
    from matplotlib.colors import PowerNorm

    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    # Of many classes a confusion is a small share, in a dot: the root makes it visible.
    norm = PowerNorm(1.0 if len(counts) <= COUNTED_CLASSES else 0.5, vmin=0, vmax=1)
    axes.imshow(shares, cmap="Blues", norm=norm)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, loc="left", color=INK)


def _write_cells(axes: Any, counts: NDArray[np.int64], names: DrawnNames) -> None:
    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.5 else INK
        axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=colour, fontsize=9)
    how = {"parse_math": False, "fontfamily": list(names.families)}
    axes.set_xticks(range(len(counts)), names.names, rotation=40, ha="right", **how)
    axes.set_yticks(range(len(counts)), names.names, **how)


def _list_pairs(axes: Any, counts: NDArray[np.int64], names: DrawnNames) -> None:
    """Write the pairs most often confused as lines of text, the worst first."""
    axes.set_axis_off()
    axes.set_title("most often confused", loc="left", color=INK)
    pairs = find_confusions(counts, PAIRS_SHOWN)
    if not pairs:
        axes.text(0, 0.95, "nothing is confused", color=INK, fontsize=10, va="top")
    for place, (row, column, images, total) in enumerate(pairs):
        height = 0.97 - place / PAIRS_SHOWN
        said = f"{names.names[row]}  taken for  {names.names[column]}"
        how = {"color": INK, "fontsize": 10, "va": "top", "parse_math": False, "fontfamily": list(names.families)}
        axes.text(0, height, f"{images:,} of {total:,}", **how)
        axes.text(0.14, height, said, **how)
