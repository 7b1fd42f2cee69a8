"""The parts that measure whole fits: accuracy, seconds, memory."""

import statistics
from typing import Any

from measuring import HEAD_ONLY, PYTHON, SIGHTX, Bench, Child, median_in_turn, paired_interval

SCORES = ("accuracy", "roc_auc", "quadratic_kappa")


def startup(bench: Bench) -> dict[str, Any]:
    """The commands that only print, against importing what they print with."""
    bare, shown, listed = median_in_turn(
        bench.amount(9, 3),
        lambda: bench.run(PYTHON, "-c", "import typer, rich.console").seconds,
        lambda: bench.run(SIGHTX, "--help").seconds,
        lambda: bench.run(SIGHTX, "recipes", "list").seconds,
    )
    return {
        "bare_seconds": bare,
        "help_seconds": shown,
        "list_seconds": listed,
        "help_ratio": round(shown / bare, 2),
        "list_ratio": round(listed / bare, 2),
    }


def describe_fit(child: Child) -> dict[str, Any]:
    """Give what one `sightx fit` reached and took."""
    result = child.json()
    scores = {name: round(result["metrics"][name], 4) for name in SCORES if result["metrics"].get(name) is not None}
    return {**scores, "seconds": child.seconds, "peak_mb": child.peak_mb, "phases": result["seconds"]}


def fit_small(bench: Bench) -> dict[str, Any]:
    """Ants and bees, `natural-small` from a cold store, before and after fastai's `fine_tune`."""
    folder = bench.subset("hymenoptera", 16, 8) if bench.quick else bench.data / "hymenoptera"
    before = bench.fit(folder, "natural-small", store="before")
    peer = bench.fastai("fit", folder, "--epochs", str(bench.amount(5, 1)))
    after = bench.fit(folder, "natural-small", store="after")
    seconds = statistics.mean([before.seconds, after.seconds])
    sightx = {**describe_fit(after), "seconds": round(seconds, 2), "peak_mb": max(before.peak_mb, after.peak_mb)}
    fastai = {**peer.json(), "seconds": peer.seconds, "peak_mb": peer.peak_mb}
    return {
        "sightx": sightx,
        "fastai": fastai,
        "ratio": round(peer.seconds / seconds, 1),
        "accuracy_gain": round(sightx["accuracy"] - fastai["accuracy"], 4),
    }


def grading(bench: Bench) -> dict[str, Any]:
    """Retina grades, `medical-small`: three seeded stratified 80/20 splits."""
    fits = []
    for seed in range(bench.amount(3, 1)):
        folder = bench.split("idrid", seed, 40 if bench.quick else None)
        fits.append(describe_fit(bench.fit(folder, "medical-small", "--seed", str(seed), store=f"seed-{seed}")))
    return {
        "quadratic_kappa": round(statistics.mean(fit["quadratic_kappa"] for fit in fits), 4),
        "slowest_seconds": max(fit["seconds"] for fit in fits),
        "fits": fits,
    }


def fit_400(bench: Bench) -> dict[str, Any]:
    """The memory of a fit of 400 images with the recipe that needs most: `medical-small`, 384 px."""
    return describe_fit(bench.fit(bench.split("idrid", 0, bench.amount(400, 40)), "medical-small"))


def fit_head(bench: Bench) -> dict[str, Any]:
    """Chest X-rays, the head of `medical-medium` alone on one view of each image, twice with one store."""
    return fit_twice(bench, "--set", HEAD_ONLY, "--set", "training.views=1")


def fit_medium(bench: Bench) -> dict[str, Any]:
    """Chest X-rays, `medical-medium` as it is, twice with one store."""
    return fit_twice(bench)


def fit_twice(bench: Bench, *options: str) -> dict[str, Any]:
    """Fit the chest X-rays from a cold store, then again from the same store."""
    folder = bench.subset("chest_xray", 60, 20) if bench.quick else bench.data / "chest_xray"
    first, second = (describe_fit(bench.fit(folder, "medical-medium", *options)) for _ in range(2))
    return {"first": first, "second": second, "again_percent": round(100 * second["seconds"] / first["seconds"], 1)}


def store_or_fresh(bench: Bench) -> dict[str, Any]:
    """Cached views against fresh augmentation each epoch (`--no-cache`), the same data and seed in each pair."""
    quick = bench.quick
    pairs: dict[str, list[dict[str, float]]] = {"hymenoptera": [], "idrid": [], "chest_xray": []}
    for seed in range(bench.amount(3, 2)):
        cases = (
            ("hymenoptera", "natural-small", bench.subset("hymenoptera", *((24, 12) if quick else (243, 153)))),
            ("idrid", "medical-small", bench.split("idrid", seed, 30 if quick else None)),
            ("chest_xray", "medical-medium", bench.subset("chest_xray", *((24, 12) if quick else (2000, 782)), seed)),
        )
        for name, recipe, folder in cases:
            options = ("--seed", str(seed))
            kept = describe_fit(bench.fit(folder, recipe, *options, store=f"pair-{seed}"))
            fresh = describe_fit(bench.fit(folder, recipe, *options, "--no-cache"))
            pairs[name].append(
                {
                    f"{score}_{how}": fit[score]
                    for how, fit in (("kept", kept), ("fresh", fresh))
                    for score in SCORES[:2]
                }
                | {"ratio": round(fresh["seconds"] / kept["seconds"], 1)}
            )
    return {"pairs": pairs} | {
        score: {name: gains(rows, score) for name, rows in pairs.items()}
        | {"all": gains([row for rows in pairs.values() for row in rows], score)}
        for score in SCORES[:2]
    }


def mini(bench: Bench) -> dict[str, Any]:
    """The small networks from scratch on CIFAR-10: 5,000 training images, 5 epochs, and 10,000 others to judge by."""
    folder = bench.unpack_cifar(*((40, 20) if bench.quick else (5000, 10_000)))
    names = ("mini-resnet", "mini-separable")
    return {name: describe_fit(bench.run_fit(folder, name, store=name)) for name in names}


def gains(rows: list[dict[str, float]], score: str) -> dict[str, float]:
    """Return by how many points the cached views are better than fresh ones, with the paired interval."""
    return paired_interval([100 * (row[f"{score}_kept"] - row[f"{score}_fresh"]) for row in rows])


def demo(bench: Bench) -> dict[str, Any]:
    """What `make demo` does once everything is installed."""
    options = ["--set", HEAD_ONLY, "--set", "training.views=1", "--set", "image.size_px=64"] if bench.quick else []
    recipe = ["demo:solar", "--recipe", "medical-medium", *options]
    steps = {
        "demo": [SIGHTX, "demo", "solar"],
        "fit": [SIGHTX, "fit", *recipe, "--out", "demo-run"],
        "lr-find": [SIGHTX, "lr-find", *recipe],
        "predict": [SIGHTX, "predict", "solar/images", "--model", "demo-run", "-o", "demo.csv"],
    }
    done = {name: bench.run(*command) for name, command in steps.items()}
    return {
        "seconds": round(sum(child.seconds for child in done.values()), 1),
        "peak_mb": max(child.peak_mb for child in done.values()),
        "steps": {name: child.seconds for name, child in done.items()},
    }
