"""The part that holds the ways of fine-tuning against each other: one backbone, three data sets, the same images."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fitting import SCORES, describe_fit
from measuring import Bench

BACKBONE = "tf_efficientnet_lite0"
"""In the place of the recipes' own: its ImageNet weights come with the package."""

EPOCHS = 5
"""Of the two ways in which every layer trains: an epoch of theirs costs as much as all of another's."""

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
"""What the decision table says of each set."""

SEEDS = {"hymenoptera": 3, "idrid": 3, "chest_xray": 1}
"""How often each way is tried: an accuracy of some hundred images moves by points from seed to seed."""


def compare_strategies(bench: Bench) -> dict[str, Any]:
    """Features only, partial, progressive, full, from scratch, and the decision table's own recipe, side by side."""
    fits = {name: fit_strategies(bench, name, range(bench.amount(seeds, 1))) for name, seeds in SEEDS.items()}
    return {"sets": {name: {way: summarise(found) for way, found in ways.items()} for name, ways in fits.items()}}


def fit_strategies(bench: Bench, name: str, seeds: Sequence[int]) -> dict[str, list[dict[str, Any]]]:
    """Fit one data set in every way, once for each seed."""
    ways: dict[str, list[dict[str, Any]]] = {way: [] for way in (*STRATEGIES, TABLE[name])}
    for seed in seeds:
        folder = choose_images(bench, name, seed)
        for way, (recipe, *options) in STRATEGIES.items():
            words = ["--backbone", BACKBONE, *options, "--seed", str(seed)]
            if bench.quick:
                words += ["--set", 'stage=[{train="head",epochs=1,rate=1e-3}]', "--set", "image.size_px=64"]
            fit = bench.run_fit(folder, recipe, *words, store=f"{name}-{seed}-{way}")
            ways[way].append({"seed": seed, **describe_fit(fit)})
        fit = bench.fit(folder, TABLE[name], "--seed", str(seed), store=f"{name}-{seed}-table")
        ways[TABLE[name]].append({"seed": seed, **describe_fit(fit)})
    return ways


def choose_images(bench: Bench, name: str, seed: int) -> Path:
    """Give the images of one try: the given split of the ants and bees, another split of the retina for each seed."""
    if name == "idrid":
        return bench.split(name, seed, 30 if bench.quick else None)
    most = (244, 153) if name == "hymenoptera" else (2000, 782)
    return bench.subset(name, *((24, 12) if bench.quick else most))


def summarise(fits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give the mean, the least and the most of each score over the seeds, and the median of the seconds."""
    scores = {score: [fit[score] for fit in fits] for score in SCORES if all(score in fit for fit in fits)}
    spread = {
        score: {"mean": round(statistics.mean(found), 4), "low": min(found), "high": max(found)}
        for score, found in scores.items()
    }
    return {**spread, "seconds": round(statistics.median(fit["seconds"] for fit in fits), 1), "fits": list(fits)}
