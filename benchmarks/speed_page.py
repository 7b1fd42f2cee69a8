"""The page docs/speed.md: where the time goes, before and after, with what bounds it, from speed.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from page import BEGIN, END

BEFORE, AFTER, BOUND = "#8a97a6", "#1769aa", "#d1495b"
FITS = {
    "hymenoptera": "ants and bees, 243 + 153, recipe of its own choice",
    "solar": "solar cells, 2,099 + 525, `medical-medium`",
    "chest": "chest X-rays, 5,216 + 782, `medical-medium`",
}
MOST_PHASES = 6
"""Phases drawn of a fit by name, the longest first; the rest is one bar."""
SCORES = {"accuracy": "accuracy", "quadratic_kappa": "kappa", "roc_auc": "AUC"}
STEP_MACS = {"last:2": 405e6, "all": 1152e6}
"""Multiplications of one image's training step in tf_efficientnet_lite0 at 224 px: three forwards' worth of what
trains, less the gradient of the first layer's input."""


def write_speed_page(docs: Path, results: Mapping[str, Any]) -> None:
    """Put the tables of the figures between the page's markers, and draw its pictures beside it."""
    parts = results["parts"]
    lines = [describe_machine(results), ""]
    if "fits" in parts:
        lines += [*table_fits(parts["fits"]), "", "![Phases of a fit, before and after](speed-phases.png)", ""]
        draw_phases(docs / "speed-phases.png", parts["fits"])
    if "features" in parts:
        lines += [*table_features(parts["features"]), ""]
    if "epochs" in parts:
        lines += [*table_epochs(parts["epochs"]), ""]
    if "features" in parts and "epochs" in parts:
        lines += ["![Rates, before and after, with what bounds them](speed-rates.png)", ""]
        draw_rates(docs / "speed-rates.png", parts)
    if "starts" in parts:
        lines += table_starts(parts["starts"])
    page = docs / "speed.md"
    text = page.read_text(encoding="utf-8")
    first, rest = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{first}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{rest}", encoding="utf-8")


def describe_machine(results: Mapping[str, Any]) -> str:
    machine = results["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    commits = sorted({part["before_commit"] for part in results["parts"].values()})
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, Python {machine['python']}, "
        f"{packages}. Before: {', '.join(commits)}."
    )


def share(after: float, before: float) -> str:
    return f"{100 * after / before:.0f} %"


def list_runs(fits: Mapping[str, Any]) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """List each fit measured: what it was, before, after."""
    rows = []
    for name, what in FITS.items():
        if name in fits:
            pairs = list(zip(fits[name]["before"], fits[name]["after"], strict=True))
            for number, (before, after) in enumerate(pairs):
                how = "" if len(pairs) == 1 else ", cold" if number == 0 else ", again"
                rows.append((what + how, before, after))
    return rows


def table_fits(fits: Mapping[str, Any]) -> list[str]:
    lines = [
        "| fit, whole process | before | after | share | before | after | memory, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for what, before, after in list_runs(fits):
        scores = [
            ", ".join(f"{title} {one[key]:.4f}" for key, title in SCORES.items() if one.get(key) is not None)
            for one in (before, after)
        ]
        memory = f"{before['peak_mb']:,.0f} → {after['peak_mb']:,.0f}"
        seconds = f"{before['seconds']:.1f} s | {after['seconds']:.1f} s | {share(after['seconds'], before['seconds'])}"
        lines.append(f"| {what} | {seconds} | {scores[0]} | {scores[1]} | {memory} |")
    return lines


def table_features(features: Mapping[str, Any]) -> list[str]:
    lines = [
        "| files to features, images/s | before | after | ratio | bare decode | bare forward | of the limit |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, what in (("hymenoptera", "2,000 photographs, 224 px"), ("chest_xray", "2,000 X-rays, 224 px")):
        before, after = features[name]["before"], features[name]["after"]
        rates = f"{before['files_per_second']:.0f} | {after['files_per_second']:.0f}"
        ratio = after["files_per_second"] / before["files_per_second"]
        bounds = f"{after['decode_per_second']:,.0f} | {after['forward_per_second']:.0f} | {after['percent']:.0f} %"
        lines.append(f"| {what}, {after['precision']} | {rates} | {ratio:.2f} × | {bounds} |")
    return lines


def table_epochs(epochs: Mapping[str, Any]) -> list[str]:
    lines = ["| an epoch's training, images/s | before | after | ratio |", "|---|---|---|---|"]
    for train, what in (("last:2", "the last two stages and the head, on kept inputs"), ("all", "the whole network")):
        rates = [epochs[train][side]["images_per_second"] for side in ("before", "after")]
        lines.append(f"| {what} | {rates[0]:.0f} | {rates[1]:.0f} | {rates[1] / rates[0]:.2f} × |")
    return lines


def table_starts(starts: Mapping[str, Any]) -> list[str]:
    lines = ["| small work, seconds | before | after |", "|---|---|---|"]
    for number, what in enumerate(("40 + 20 ants and bees, head only, cold", "the same again")):
        before, after = (starts["fit"][side][number]["seconds"] for side in ("before", "after"))
        lines.append(f"| {what} | {before:.1f} | {after:.1f} |")
    before, after = (min(starts["predict"][side]) for side in ("before", "after"))
    return [*lines, f"| `predict` of one image | {before:.2f} | {after:.2f} |"]


def draw_phases(path: Path, fits: Mapping[str, Any]) -> None:
    """Draw the seconds of each fit's phases as bars, before above after."""
    from matplotlib.figure import Figure

    rows = list_runs(fits)
    figure = Figure(figsize=(9, 1.5 + 1.15 * len(rows)), layout="constrained")
    axes = figure.subplots()
    names: dict[str, float] = {}
    for _, *both in rows:
        for one in both:
            for phase, seconds in one["phases"].items():
                if phase != "total":
                    names[phase] = max(names.get(phase, 0.0), seconds)
    chosen = sorted(names, key=lambda name: -names[name])[:MOST_PHASES]
    colours = dict(zip(chosen, ("#1769aa", "#d1495b", "#2e8b57", "#b8860b", "#7b4fa3", "#5b8fb9"), strict=False))
    labels, ticks = [], []
    for place, (what, *both) in enumerate(rows):
        for offset, (side, one) in enumerate(zip(("before", "after"), both, strict=True)):
            y, left = place * 2.6 + offset, 0.0
            for phase in chosen:
                seconds = one["phases"].get(phase, 0.0)
                axes.barh(y, seconds, left=left, color=colours[phase], height=0.85)
                left += seconds
            axes.barh(y, one["seconds"] - left, left=left, color="#d9e0e7", height=0.85)
            axes.text(one["seconds"], y, f" {one['seconds']:.1f} s", va="center", fontsize=9)
            ticks.append(y)
            labels.append(side)
        axes.text(0, place * 2.6 - 0.62, what.replace("`", ""), fontsize=9, weight="bold")
    axes.set_yticks(ticks, labels)
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.spines[["top", "right"]].set_visible(False)
    handles = [axes.barh(0, 0, color=colours[phase], label=phase) for phase in chosen]
    handles.append(axes.barh(0, 0, color="#d9e0e7", label="rest: start, reading, reports"))
    axes.legend(handles=handles, frameon=False, fontsize=8, loc="lower right")
    figure.savefig(path, dpi=110)


def draw_rates(path: Path, parts: Mapping[str, Any]) -> None:
    """Draw rates before and after, with the limit of each as a line."""
    from matplotlib.figure import Figure

    panels: list[tuple[str, float, float, float | None, str]] = []
    for name, title in (("hymenoptera", "photographs to features"), ("chest_xray", "X-rays to features")):
        one = parts["features"][name]
        limit = one["after"]["limit_per_second"]
        panels.append((title, *(one[s]["files_per_second"] for s in ("before", "after")), limit, "decode + forward"))
    peak = parts["epochs"].get("peak_macs_per_second")
    for train, title in (("last:2", "training the last two stages"), ("all", "training the whole network")):
        one = parts["epochs"][train]
        bound = None if peak is None else peak / STEP_MACS[train]
        panels.append((title, *(one[s]["images_per_second"] for s in ("before", "after")), bound, "peak arithmetic"))
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    for axes, (title, before, after, limit, what) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for place, (value, colour) in enumerate(((before, BEFORE), (after, AFTER))):
            axes.bar(place, value, color=colour, width=0.7)
            axes.text(place, value, f"{value:.0f}", ha="center", va="bottom", fontsize=9)
        if limit is not None:
            axes.axhline(limit, color=BOUND, linestyle="--")
            axes.text(-0.45, limit, f"{what}: {limit:.0f}", color=BOUND, fontsize=8, va="bottom")
        axes.set_ylim(0, 1.18 * max(before, after, limit or 0))
        axes.set_xticks([0, 1], ["before", "after"])
        axes.set_title(title, fontsize=10)
        axes.set_ylabel("images/s", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
