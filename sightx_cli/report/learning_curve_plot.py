"""The picture of a learning curve: the figure over the number of images, its band, and what doubling might bring."""

from __future__ import annotations

from pathlib import Path

from sightx_cli.metrics.registry import METRICS, find_title
from sightx_cli.report.plots import ACCENT, INK, MUTED, SECOND, _new_figure, _save, limit_axis
from sightx_cli.results.learning_curve import LearningCurve


def plot_learning_curve(curve: LearningCurve, path: Path) -> None:
    """Plot the points with their 95 % band; beside them, dashed, the range at twice the images where it is told."""
    figure, (axes,) = _new_figure(1)
    images = [point.images for point in curve.points]
    means = [point.mean for point in curve.points]
    lows, highs = [point.low for point in curve.points], [point.high for point in curve.points]
    axes.fill_between(images, lows, highs, color=ACCENT, alpha=0.18, linewidth=0, label="95 % band")
    axes.plot(images, means, color=ACCENT, marker="o", markersize=5, label="linear head, cross-validated")
    falls = METRICS[curve.metric].lower_is_better
    if (then := curve.foreseen) is not None:
        axes.plot([images[-1], then.images], [means[-1], then.mean], color=SECOND, linestyle=":", linewidth=1.2)
        axes.errorbar(
            [then.images], [then.mean], yerr=[[then.mean - then.low], [then.high - then.mean]], color=SECOND, fmt="o",
            markersize=5, capsize=4, label="twice the images: an estimate, no promise",
        )  # fmt: skip
    axes.set_xlim(left=0)
    limit_axis(axes, curve.metric)
    axes.set_xlabel("images to learn from")
    axes.set_ylabel(find_title(curve.metric) + (" (lower is better)" if falls else ""), color=INK)
    axes.grid(axis="y", color=MUTED, alpha=0.25, linewidth=0.6)
    axes.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_title("would more images help?", loc="left")
    axes.legend(frameon=False, fontsize=8, loc="upper right" if falls else "lower right")
    _save(figure, path)
