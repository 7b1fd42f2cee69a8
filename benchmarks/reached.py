"""What a fit without options reaches on five sets, and CIFAR-10 by the number of images to train on.

    .venv/bin/python benchmarks/reached.py OUT.json                      every set and the curve: an hour on two cores
    .venv/bin/python benchmarks/reached.py OUT.json --parts curve        ants-and-bees, retina, solar, x-rays, curve

Each fit starts from an empty cache, and its figures are of the valid part, by which it also chose its best epoch: the
given one of ants and bees, a split by the seed of the retina photographs and the solar cells, whole children of the
X-rays, 2,000 images of CIFAR-10's training part, the same whatever is trained on. Results are written after every
fit; `--show` prints them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from machine import describe_machine
from measuring import SIGHTX, Bench, link_files

DATA = Path(os.environ.get("SIGHTX_DATA", Path(__file__).parents[2] / "shared" / "data"))
SEEDS = (0, 1, 2)
CHILDREN = r"person\d+|IM-\d+"
SIZES = (500, 1_000, 2_000, 4_000, 8_000)
OTHERS = 2_000
"""Images of CIFAR-10 that are predicted."""
FIGURES = ("accuracy", "quadratic_kappa", "roc_auc", "loss")
PARTS = {
    "ants-and-bees": ("hymenoptera",),
    "retina": ("idrid/train",),
    "solar": ("demo:solar",),
    "x-rays": ("chest_xray", "--group-by", CHILDREN, "--resplit"),
}
"""What is typed after `sightx fit`."""


def fit(bench: Bench, *words: str | Path) -> dict[str, Any]:
    """Fit once from an empty cache; give the figures of the valid part, what trained, and the seconds."""
    with tempfile.TemporaryDirectory(dir=bench.work) as store:
        child = bench.run(SIGHTX, "fit", *words, "--out", Path(store, "run"), "--json", store=f"{store}/cache")
    result = child.json()
    figures = {name: round(result["metrics"][name], 4) for name in FIGURES if result["metrics"].get(name) is not None}
    return {**figures, "recipe": result["recipe"], "kept": result["best"]["stage"], "seconds": round(child.seconds)}


def draw_sizes(bench: Bench) -> dict[int, Path]:
    """Make a folder for each number of images to train on: each holds those of the smaller, and the same others."""
    whole = bench.unpack_cifar(max(SIZES), OTHERS)
    folders = {size: bench.work / f"cifar-{size}" for size in SIZES}
    for label in sorted(path.name for path in (whole / "train").iterdir()):
        files = {part: sorted((whole / part / label).iterdir()) for part in ("train", "valid")}
        for size, folder in folders.items():
            link_files(files["train"][: size // 10], folder / "train" / label)
            link_files(files["valid"], folder / "valid" / label)
    return folders


def show(found: dict[str, Any]) -> None:
    """Print the figures of each part, and their means over the seeds."""
    of_part: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for name, figures in found["fits"].items():
        print(f"{name:16} " + ", ".join(f"{key} {value}" for key, value in figures.items()))
        of_part[name.rsplit(" ", 1)[0]].append(figures)
    for part, fits in of_part.items():
        if part in PARTS:
            said = (f"{name} {mean(one[name] for one in fits):.4f}" for name in FIGURES if name in fits[0])
            print(f"{part}, mean of {len(fits)}: " + ", ".join(said))


def main() -> None:
    """Fit what is asked for, skipping what the results have already."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--parts", nargs="+", choices=(*PARTS, "curve"), default=[*PARTS, "curve"])
    parser.add_argument("--show", action="store_true")
    given = parser.parse_args()
    found = json.loads(given.out.read_text()) if given.out.exists() else {"machine": describe_machine(), "fits": {}}
    with tempfile.TemporaryDirectory() as work:
        bench = Bench(DATA, Path(work), quick=False)
        wanted: dict[str, tuple[str | Path, ...]] = {}
        for part in given.parts if not given.show else ():
            if part == "curve":
                wanted |= {f"curve {size}": (folder,) for size, folder in draw_sizes(bench).items()}
            else:
                source, *options = PARTS[part]
                place = source if ":" in source else DATA / source
                wanted |= {f"{part} {seed}": (place, *options, "--seed", str(seed)) for seed in SEEDS}
        for name, words in wanted.items():
            if name not in found["fits"]:
                found["fits"][name] = fit(bench, *words)
                given.out.write_text(json.dumps(found, indent=1) + "\n")
    show(found)


if __name__ == "__main__":
    main()
