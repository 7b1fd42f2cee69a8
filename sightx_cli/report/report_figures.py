"""The drawings of a report, made from the content of metrics.json: every point drawn stands there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sightx_cli.metrics.registry import METRICS, find_title
from sightx_cli.report.numbers import format_number
from sightx_cli.report.plots import limit_axis
from sightx_cli.report.svg import (
    ACCENT,
    MUTED,
    SECOND,
    Drawing,
    add_legend,
    name_lines,
    new_axes,
    render_svg,
    take_line,
)

LINES = 6
"""The most lines in one drawing: those of the classes that are ranked worst."""
BANDS = 3
"""With more lines than this their bands would hide each other, and are left out."""
PANELS = 5
"""The most classes whose probabilities are drawn."""
LOWEST_BENEFIT = -0.05
"""Below this share of the highest a net benefit is off the drawing: that of treating all falls without end."""

SETTLED = 0.2
"""From this share of images on the band of the accuracy is drawn whole: below, few images make it very wide."""

Content = Mapping[str, Any]


def draw_training(facts: Content) -> Drawing | None:
    """Draw the losses and the figure that chose the epoch over all epochs; None without two of them."""
    history, metric = facts.get("history") or [], facts.get("metric") or "accuracy"
    if len(history) < 2:
        return None
    figure, (left, right) = new_axes(2)
    epochs = list(range(len(history)))
    for name, colour, words in (("train_loss", MUTED, "training"), ("valid_loss", ACCENT, "validation")):
        left.plot(epochs, _take(history, name), color=colour, marker=".", label=words)
    left.set_ylim(bottom=0)
    left.set_ylabel("loss")
    add_legend(left)
    values = _take(history, metric)
    right.plot(epochs, values, color=ACCENT, marker=".")
    right.set_ylabel(f"{find_title(metric)} (validation)")
    if metric in METRICS:
        limit_axis(right, metric)
    best = max((place for place, row in enumerate(history) if row.get("best")), default=None)
    if best is not None:
        right.plot([best], [values[best]], "o", color=SECOND, markersize=8, label="kept")
        add_legend(right)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        for place in range(1, len(history)):
            if history[place]["stage"] != history[place - 1]["stage"]:
                axes.axvline(place - 0.5, color=MUTED, linewidth=0.8, linestyle=":")
    alt = "Dotted: a new stage of training begins. The first point is the linear head, fitted directly."
    return render_svg(figure, "training", "Loss and chosen figure after each epoch", alt, is_broad=True)


def draw_part(figures: Content, prefix: str) -> list[tuple[str, Drawing]]:
    """Draw the curves of a part, each with its key in the glossary; none where metrics.json has none."""
    curves = figures.get("curves") or {}
    draws: dict[str, tuple[Any, Callable[[Any, str], Drawing]]] = {
        "roc": ([one for one in curves.get("ranking", ()) if one["kind"] == "roc"], draw_roc),
        "precision_recall": (
            [one for one in curves.get("ranking", ()) if one["kind"] == "precision_recall"],
            draw_precision,
        ),
        "reliability": (curves.get("reliability"), draw_reliability),
        "histogram": (curves.get("histograms"), draw_histograms),
        "decision_curve": (curves.get("decision"), draw_decision),
        "coverage": (curves.get("risk_coverage"), draw_coverage),
    }
    drawn = [(key, draw(content, f"{prefix}-{key}")) for key, (content, draw) in draws.items() if content]
    return sorted(drawn, key=lambda one: one[1].is_broad)  # what needs the whole width stands last


def draw_roc(curves: Sequence[Content], name: str) -> Drawing:
    """Draw each class's ROC curve."""
    figure, (axes,) = new_axes(height=4.4)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":")
    _draw_lines(axes, curves)
    axes.set_xlabel("false alarms: one minus specificity")
    axes.set_ylabel("sensitivity")
    add_legend(axes, len(curves), loc="lower right")
    return render_svg(figure, name, "ROC curve", f"Beside each name the area under its curve.{_say_band(curves)}")


def draw_precision(curves: Sequence[Content], name: str) -> Drawing:
    """Draw each class's precision–recall curve, and what a ranking that knows nothing would reach."""
    figure, (axes,) = new_axes(height=4.4)
    _draw_lines(axes, curves)
    for place, one in enumerate(_choose(curves)):
        axes.axhline(one["prevalence"], color=take_line(place)["color"], linewidth=0.8, linestyle=":")
    axes.set_xlabel("sensitivity (recall)")
    axes.set_ylabel("PPV (precision)")
    add_legend(axes, len(curves), loc="lower left")
    words = "Dotted: guessing. Beside each name the average precision."
    return render_svg(figure, name, "Precision–recall curve", words + _say_band(curves))


def draw_reliability(content: Content, name: str) -> Drawing:
    """Draw what came true against what was predicted, with the interval of each bin."""
    figure, (axes,) = new_axes(height=4.4)
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=":")
    bins = content["bins"]
    across, up = [one["predicted"] for one in bins], [one["observed"] for one in bins]
    low, high = ([one["interval"][side] for one in bins] for side in (0, 1))
    axes.fill_between(across, low, high, color=ACCENT, alpha=0.18, linewidth=0)
    axes.plot(across, up, color=ACCENT, marker="o", markersize=4)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_xlabel(f"predicted probability of {name_lines([_say_of(content['of'])])[0]}")
    axes.set_ylabel("share that came true")
    return render_svg(figure, name, "Reliability diagram", "Dotted: right. Each point has equally many images.")


def draw_histograms(content: Sequence[Content], name: str) -> Drawing:
    """Draw how the probability of each class is spread over the images of it, and over the others."""
    shown = list(dict.fromkeys(one["of"] for one in content))[:PANELS]
    figure, panels = new_axes(len(shown), 4.6 if len(shown) == 1 else 3.0, 3.6)
    for axes, of in zip(panels, shown, strict=True):
        own = [one for one in content if one["of"] == of]
        for place, one in enumerate(own):
            counts, total = one["counts"], max(sum(one["counts"]), 1)
            edges = [step / len(counts) for step in range(len(counts) + 1)]
            label = name_lines([one["true_label"]])[0]
            axes.stairs([count / total for count in counts], edges, label=label, fill=not place, alpha=0.45 if not place
                        else 1.0, linewidth=1.4, **_colour(place))  # fmt: skip
        axes.set_xlabel(f"probability of {name_lines([of])[0]}")
        add_legend(axes)
    panels[0].set_ylabel("share of the true class")
    more = "" if len(shown) == len({one["of"] for one in content}) else " The other classes are in metrics.json."
    alt = f"Each true class's images make up one whole.{more}"
    return render_svg(figure, name, "Predicted probabilities by true class", alt, is_broad=len(shown) > 1)


def draw_decision(content: Content, name: str) -> Drawing:
    """Draw the net benefit of deciding by the model, of treating all and of treating none."""
    figure, (axes,) = new_axes(height=4.4)
    thresholds = content["thresholds"]
    for key, words, how in (
        ("all", "treat all", {"color": MUTED, "linestyle": "--"}),
        ("none", "treat none", {"color": MUTED, "linestyle": ":"}),
        ("model", "by the model", {"color": ACCENT}),
    ):
        axes.plot(thresholds, content[key], label=words, **how)
    highest = max(0.02, *content["model"], *content["all"])
    axes.set_ylim(LOWEST_BENEFIT * max(highest, 0.2), highest * 1.08)
    axes.set_xlabel("threshold: probability from which one would act")
    axes.set_ylabel("net benefit for each image")
    add_legend(axes)
    positives = ", ".join(name_lines(content["positives"]))
    return render_svg(figure, name, "Decision curve", f"Positive: {positives}.")


def draw_coverage(content: Content, name: str) -> Drawing:
    """Draw the accuracy of the images that the model is surest of, over how many these are."""
    figure, (axes,) = new_axes(height=4.4)
    axes.fill_between(content["coverage"], content["low"], content["high"], color=ACCENT, alpha=0.18, linewidth=0)
    axes.plot(content["coverage"], content["accuracy"], color=ACCENT)
    axes.set_xlim(0, 1.02)
    settled = [low for share, low in zip(content["coverage"], content["low"], strict=True) if share >= SETTLED]
    axes.set_ylim(max(0.0, min(settled, default=0.0) - 0.05), 1.005)
    axes.set_xlabel("share of images kept, the surest first")
    axes.set_ylabel("accuracy of those kept")
    return render_svg(figure, name, "Accuracy over coverage", "At the right end stand all images.")


def _draw_lines(axes: Any, curves: Sequence[Content]) -> None:
    chosen = _choose(curves)
    names = name_lines([one["label"] for one in chosen])
    for place, (one, shown) in enumerate(zip(chosen, names, strict=True)):
        label = f"{shown} {format_number(one['area'])}"
        axes.plot(one["across"], one["up"], label=label, **take_line(place))
        if len(chosen) <= BANDS:
            colour = take_line(place)["color"]
            axes.fill_between(one["across"], one["low"], one["high"], color=colour, alpha=0.15, linewidth=0)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))


def _say_band(curves: Sequence[Content]) -> str:
    return " The band shows the interval." if len(_choose(curves)) <= BANDS else ""


def _choose(curves: Sequence[Content]) -> list[Content]:
    """Choose the curves to draw: all in their order, of many the worst."""
    if len(curves) <= LINES:
        return list(curves)
    return sorted(curves, key=lambda one: float(one["area"]))[:LINES]


def _colour(place: int) -> dict[str, Any]:
    colour = take_line(place)["color"]
    return {"color": colour} if place else {"facecolor": colour, "edgecolor": colour}


def _say_of(of: str) -> str:
    return "the likeliest class" if of == "likeliest" else of


def _take(history: Sequence[Content], name: str) -> list[float]:
    return [float("nan") if row.get(name) is None else float(row[name]) for row in history]
