"""The part that compares the ways of fine-tuning: one backbone, three data sets, the same images."""

import csv
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fitting import SCORES, describe_fit
from measuring import Bench, Child

BACKBONE = "tf_efficientnet_lite0"
"""Used in place of the recipes' own: its ImageNet weights come with the package."""

EPOCHS = 5
"""For the two ways in which every layer trains: an epoch of theirs costs as much as all epochs of another."""

SCRATCH = f'stage=[{{train="scratch",epochs={EPOCHS},rate=1e-3}}]'

STRATEGIES: dict[str, tuple[str, ...]] = {
    "features only": ("mobilenetv2-features",),
    "partial": ("mobilenetv2-partial",),
    "progressive": ("mobilenetv2-progressive",),
    "full": ("mobilenetv2-full", "--set", f"stage.0.epochs={EPOCHS}"),
    "from scratch": ("mobilenetv2-full", "--set", "model.weights=scratch", "--set", SCRATCH),
}
"""The reference recipes of the strategies, with what departs from them."""

TABLE = {"hymenoptera": "natural-small", "idrid": "medical-small", "chest_xray": "medical-medium"}
"""The decision table's recipe for each data set."""

SEEDS = {"hymenoptera": 3, "idrid": 3, "chest_xray": 1}
"""How often each way is tried: an accuracy over some hundred images varies by points from seed to seed."""


def compare_strategies(bench: Bench) -> dict[str, Any]:
    """Features only, partial, progressive, full, from scratch, and the decision table's own recipe, side by side."""
    fits = {name: fit_strategies(bench, name, range(bench.amount(seeds, 1))) for name, seeds in SEEDS.items()}
    return {"sets": {name: {way: summarise(found) for way, found in ways.items()} for name, ways in fits.items()}}


def fit_strategies(
    bench: Bench, name: str, seeds: Sequence[int], ways: Sequence[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """Fit one data set in every way, or in these, once for each seed."""
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways or (*STRATEGIES, TABLE[name])}
    for seed in seeds:
        folder = choose_images(bench, name, seed)
        for way, fits in found.items():
            fits.append({"seed": seed, **fit_way(bench, folder, way, seed, f"{name}-{seed}-{way}")})
    return found


def fit_way(bench: Bench, folder: Path, way: str, seed: int, store: str) -> dict[str, Any]:
    """Fit in one way, the table's own or one of the strategies; gives what its best and its last epoch reached."""
    if way in STRATEGIES:
        recipe, *options = STRATEGIES[way]
        words = ["--backbone", BACKBONE, *options, "--seed", str(seed)]
        if bench.quick:
            short = "stage.0.epochs=1" if way == "from scratch" else 'stage=[{train="head",epochs=1,rate=1e-3}]'
            words += ["--set", short, "--set", "image.size_px=64"]
        return describe_way(bench.run_fit(folder, recipe, *words, store=store))
    return describe_way(bench.fit(folder, way, "--seed", str(seed), store=store))


def describe_way(child: Child) -> dict[str, Any]:
    """Give what a fit reached and took, which epoch that was, and what the last epoch had come to."""
    result = child.json()
    with (Path(result["run"]) / "history.csv").open(newline="") as table:
        last = list(csv.DictReader(table))[-1]
    scores = {name: round(float(last[name]), 4) for name in SCORES if last.get(name)}
    best = result["best"]
    is_solved = best["stage"] == "solved head"
    return {
        **describe_fit(child),
        "best": best["stage"] if is_solved else f"{best['stage']}, epoch {best['epoch']}",
        "last_epoch": scores,
    }


def choose_images(bench: Bench, name: str, seed: int) -> Path:
    """Give the images of one try: the given split of the ants and bees, another split of the retina for each seed."""
    if name == "idrid":
        return bench.split(name, seed, 30 if bench.quick else None)
    most = (244, 153) if name == "hymenoptera" else (2000, 782)
    return bench.subset(name, *((24, 12) if bench.quick else most))


def summarise(fits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give the spread of each score over the seeds, of the kept epoch and of the last; the seconds are the first's."""
    last = spread_scores([fit["last_epoch"] for fit in fits])
    return {**spread_scores(fits), "last_epoch": last, "seconds": fits[0]["seconds"], "fits": list(fits)}


def spread_scores(found: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Give the mean, the least and the most of each score that all have."""
    scores = {score: [one[score] for one in found] for score in SCORES if all(score in one for one in found)}
    return {
        score: {"mean": round(statistics.mean(values), 4), "low": min(values), "high": max(values)}
        for score, values in scores.items()
    }
