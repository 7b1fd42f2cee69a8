"""The page benchmarks/README.md: its tables, written from results.json between two markers."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


@dataclass(frozen=True)
class Row:
    """One line: what was measured, where results.json has it, how it is shown, and what it must reach."""

    work: str
    part: str
    key: str
    shown: str
    least: float | None = None
    most: float | None = None

    def write(self, parts: dict[str, Any]) -> str:
        """Return the line in Markdown; a dash where nothing was measured."""
        value: Any = parts.get(self.part)
        for key in self.key.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        aim = self.least if self.least is not None else self.most
        goal = "" if aim is None else ("≥ " if self.least is not None else "≤ ") + self.shown.format(aim)
        if value is None:
            return f"| {self.work} | – | {goal} | |"
        met = (self.least is None or value >= self.least) and (self.most is None or value <= self.most)
        verdict = "" if aim is None else "yes" if met else "**no**"
        return f"| {self.work} | {self.shown.format(value)} | {goal} | {verdict} |"


AGAINST = (
    Row("ants and bees, `natural-small`, whole process, against `fine_tune`", "fit-small", "ratio", "{:.1f} ×", 20),
    Row("its accuracy less that of `fine_tune`", "fit-small", "accuracy_gain", "{:.3f}", 0),
    Row(
        "an epoch of the last two stages + head on cached features, after `freeze_to`",
        "epoch-suffix",
        "ratio",
        "{:.1f} ×",
        8,
    ),
    Row("an unfrozen epoch", "epoch-whole", "ratio", "{:.1f} ×", 2.5),
    Row("`predict`, images/s with decoding, against `get_preds`", "predict", "ratio", "{:.1f} ×", 7),
    Row("the same, whole processes", "predict", "process_ratio", "{:.1f} ×"),
    Row("`predict` against a bare OpenVINO loop over decoded arrays", "predict-bare", "percent", "{:.0f} %", 70),
    Row("`sightx --help` against `import typer, rich.console`", "startup", "help_ratio", "{:.2f} ×", most=2.5),
    Row("`sightx recipes list` against the same", "startup", "list_ratio", "{:.2f} ×", most=2.5),
)

BY_ITSELF = (
    Row("ants and bees, `natural-small`: accuracy", "fit-small", "sightx.accuracy", "{:.3f}", 0.94),
    Row("… ROC AUC", "fit-small", "sightx.roc_auc", "{:.4f}", 0.985),
    Row("… seconds, whole process", "fit-small", "sightx.seconds", "{:.1f} s", most=180),
    Row("… peak memory", "fit-small", "sightx.peak_mb", "{:.0f} MB"),
    Row(
        "retina grades, `medical-small`: quadratic kappa, mean of three splits",
        "grading",
        "quadratic_kappa",
        "{:.3f}",
        0.76,
    ),
    Row("… seconds of the slowest fit", "grading", "slowest_seconds", "{:.0f} s", most=120),
    Row("400 images, `medical-small`: peak memory", "fit-400", "peak_mb", "{:.0f} MB", most=2500),
    Row("chest X-rays, head only, from cold", "fit-head", "first.seconds", "{:.0f} s", most=60),
    Row("… accuracy", "fit-head", "first.accuracy", "{:.3f}"),
    Row("… ROC AUC", "fit-head", "first.roc_auc", "{:.4f}", 0.995),
    Row("… again, of the first time", "fit-head", "again_percent", "{:.0f} %", most=30),
    Row("chest X-rays, `medical-medium`, from cold", "fit-medium", "first.seconds", "{:.0f} s"),
    Row("… accuracy", "fit-medium", "first.accuracy", "{:.3f}"),
    Row("… ROC AUC", "fit-medium", "first.roc_auc", "{:.4f}"),
    Row("… again, of the first time", "fit-medium", "again_percent", "{:.0f} %", most=30),
    Row("… peak memory", "fit-medium", "first.peak_mb", "{:.0f} MB", most=1500),
    Row("`predict` of one image, whole process", "predict-one", "seconds", "{:.2f} s", most=1.2),
    Row("`predict` of 10,000 images against 1,000: peak memory", "predict-memory", "ratio", "{:.2f} ×", most=1.1),
    Row(
        "CIFAR-10, 5,000 images, 5 epochs from scratch, `mini-resnet`: accuracy on 10,000 others",
        "mini",
        "mini-resnet.accuracy",
        "{:.3f}",
        0.45,
    ),
    Row("… `mini-separable`: accuracy", "mini", "mini-separable.accuracy", "{:.3f}"),
    Row("`make demo` after the installation", "demo", "seconds", "{:.0f} s", most=240),
)

STRATEGY_SCORES = {"accuracy": "accuracy", "roc_auc": "ROC AUC", "quadratic_kappa": "quadratic kappa"}

SETS = {
    "hymenoptera": "ants and bees",
    "idrid": "retina grades",
    "chest_xray": "2,000 chest X-rays",
    "all": "all pairs",
}


def build_tables(results: dict[str, Any]) -> str:
    """Return the machine and the tables in Markdown."""
    parts = results.get("parts", {})
    head = "| work | measured | must be | reached |\n|---|---|---|---|\n"
    tables = [head + "\n".join(row.write(parts) for row in rows) for rows in (AGAINST, BY_ITSELF)]
    return "\n\n".join(
        [
            describe(results.get("machine", {})),
            "**Against others, in one run**",
            tables[0],
            "**By itself**",
            tables[1],
            "***Cached views against fresh augmentation each epoch**, three seeds, in points; the 95 % interval of the "
            "paired difference (Student's t) must lie above −1",
            build_store_table(parts.get("store", {})),
            "**Rates and times behind the ratios**",
            build_rate_table(parts),
        ]
    )


def describe(machine: dict[str, Any]) -> str:
    """Return the machine in two lines."""
    if not machine:
        return "Not measured yet."
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    where = f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}"
    return f"Machine: {where}. Python {machine['python']}, {packages}."


def build_store_table(store: dict[str, Any]) -> str:
    """Return the gains of cached views by data set."""
    lines = ["| images | accuracy | ROC AUC |", "|---|---|---|"]
    for name, title in SETS.items():
        cells = []
        for score in ("accuracy", "roc_auc"):
            gain = store.get(score, {}).get(name)
            cells.append("–" if gain is None else f"{gain['mean']:+.2f} ({gain['low']:+.2f} … {gain['high']:+.2f})")
        lines.append(f"| {title} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def build_rate_table(parts: dict[str, Any]) -> str:
    """Return each comparison's two sides."""
    lines = ["| part | SightX | peer |", "|---|---|---|"]
    for part, peer in (
        ("epoch-suffix", "fastai"),
        ("epoch-whole", "fastai"),
        ("predict", "fastai"),
        ("predict-bare", "openvino"),
    ):
        if part in parts:
            ours, theirs = (parts[part][name]["images_per_second"] for name in ("sightx", peer))
            lines.append(f"| `{part}` | {ours:.0f} images/s | {theirs:.0f} images/s ({peer}) |")
    if "fit-small" in parts:
        ours, theirs = (parts["fit-small"][name] for name in ("sightx", "fastai"))
        for key, shown in (("seconds", "{:.1f} s"), ("accuracy", "accuracy {:.3f}"), ("peak_mb", "{:.0f} MB")):
            lines.append(f"| `fit-small` | {shown.format(ours[key])} | {shown.format(theirs[key])} (fastai) |")
    return "\n".join(lines)


def build_strategy_tables(results: dict[str, Any]) -> str:
    """Return the machine and, for each data set, what each way of fine-tuning reached and took."""
    sets = results.get("parts", {}).get("strategies", {}).get("sets", {})
    lines = [describe(results.get("machine", {}) if sets else {})]
    for name, found in sets.items():
        scores = [score for score in STRATEGY_SCORES if all(score in fit for fit in found.values())]
        titles = ["way", *(STRATEGY_SCORES[score] for score in scores), "kept", "last epoch's accuracy", "seconds"]
        lines += [
            "",
            f"**{SETS[name][0].upper()}{SETS[name][1:]}**",
            "",
            write_cells(titles),
            "|" + "---|" * len(titles),
        ]
        for strategy, fit in found.items():
            way = f"the table's recipe, `{strategy}`" if "-" in strategy else strategy
            figures = [write_spread(fit[score]) for score in scores]
            last = write_spread(fit["last_epoch"]["accuracy"])
            lines.append(write_cells([way, *figures, write_kept(fit["fits"]), last, f"{fit['seconds']:.0f}"]))
    return "\n".join(lines)


def write_cells(cells: Sequence[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def write_kept(fits: Sequence[Mapping[str, Any]]) -> str:
    """Return which epoch was the best; where several seeds were tried, how often it was one that had been trained."""
    kept = [fit["best"] for fit in fits]
    return kept[0] if len(kept) == 1 else f"trained, {sum(one != 'solved head' for one in kept)} of {len(kept)}"


def write_spread(found: Mapping[str, float]) -> str:
    """Return the mean of a score, with the least and the most where several seeds were tried."""
    mean, low, high = (f"{found[key]:.3f}" for key in ("mean", "low", "high"))
    return mean if low == high else f"{mean} ({low} … {high})"


def write_strategies(path: Path, results: dict[str, Any]) -> None:
    """Put the comparison of strategies between the markers of its page."""
    put_between_markers(path, build_strategy_tables(results))


def write_page(path: Path, results: dict[str, Any]) -> None:
    """Put the tables between the page's markers."""
    put_between_markers(path, build_tables(results))


def put_between_markers(path: Path, figures: str) -> None:
    """Put figures between a page's markers; everything around them stays."""
    text = path.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise SystemExit(f"{path} lacks the lines {BEGIN} and {END}")
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    path.write_text(pattern.sub(lambda _: f"{BEGIN}\n{figures}\n{END}", text), encoding="utf-8")
