"""How long solving a linear head takes, by images and kind of label: the penalty chosen, the offsets, the head itself.

    .venv/bin/python benchmarks/heads.py                 every size: a minute
    .venv/bin/python benchmarks/heads.py --images 2500   one
    .venv/bin/python benchmarks/heads.py --beside 2      while two other processes calculate

The features are made up: 2,272 columns as of all taps of `tf_efficientnet_lite0`, alike and skewed as pooled
activations are (400 directions of falling variance, noise, no large negative values). Heads are balanced. The grades
are as unequal as the solar cells', 57, 11, 5 and 27 of 100, so that offsets are measured too. Each figure is the least
of the tries.

On an AMD EPYC (Zen 5) with 2 cores and other work beside, seconds of the processor, then by the clock where it says so;
"before" is scikit-learn's L-BFGS (of grades, SciPy's) on features rotated by a singular value decomposition, on all
threads for more than 2,000 images, and its head lies 1e-4 to 6e-3 of the loss above the least one, not 1e-6:

| images | | 2 classes | 5 classes | 10 classes | 4 grades | 8 labels |
|---|---|---|---|---|---|---|
| 400 | before | 0.14 | 0.19 | 0.22 | 0.33 | 0.40 |
| | now | 0.04 | 0.06 | 0.07 | 0.08 | 0.08 |
| 1,000 | before | 0.64 | 0.83 | 0.94 | 1.72 | 1.19 |
| | now | 0.16 | 0.23 | 0.28 | 0.32 | 0.29 |
| 2,500 | before, by the clock | 21 | 29 | 39 | 71 | 156 |
| | before, held to one thread | 0.69 | 1.06 | 1.07 | 2.08 | 1.78 |
| | now | 0.35 | 0.46 | 0.89 | 1.15 | 0.94 |
| | now, by the clock | 0.55 | 0.64 | 1.12 | 1.18 | 1.38 |
| 5,000 | before, by the clock | 35 | 57 | 87 | 109 | – |
| | before, held to one thread | 0.88 | 1.67 | 1.47 | 3.76 | 2.46 |
| | now | 0.48 | 1.18 | 1.38 | 2.08 | 1.46 |
| | now, by the clock | 0.48 | 1.58 | 2.01 | 2.14 | 1.48 |
"""

import argparse
import json
import multiprocessing
import time
from typing import Any

import numpy as np
from machine import describe_machine

from sightx_cli.probe.linear_head import calm_threads, solve_linear_head
from sightx_cli.task.grades import Grades
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.single_label import SingleLabel
from sightx_cli.task.task import Task

COLUMNS = 2_272
DIRECTIONS = 400
IMAGES = (400, 1_000, 2_500, 5_000)
GRADES = (0.57, 0.68, 0.73)
"""Where the solar cells' grades end, as shares of the images."""


def name_classes(count: int) -> tuple[str, ...]:
    return tuple(f"c{number}" for number in range(count))


TASKS: dict[str, Task] = {
    "2 classes": SingleLabel(name_classes(2)),
    "5 classes": SingleLabel(name_classes(5)),
    "10 classes": SingleLabel(name_classes(10)),
    "4 grades": Grades(name_classes(4)),
    "8 labels": MultiLabel(name_classes(8)),
}


def make_images(images: int, task: Task) -> tuple[Any, Any]:
    """Make features (images, COLUMNS) and the targets that go with them."""
    chance = np.random.default_rng(0)
    sizes = np.arange(1, DIRECTIONS + 1) ** -0.6
    causes = chance.normal(size=(images, DIRECTIONS)) * sizes
    noise = 0.35 * np.sqrt((sizes**2).sum()) * chance.normal(size=(images, COLUMNS))
    features = causes @ chance.normal(size=(DIRECTIONS, COLUMNS)) + noise
    features = np.maximum(features, -0.5 * features.std()).astype(np.float32)
    outputs = task.outputs
    if isinstance(task, MultiLabel):
        scores = causes[:, :40] @ chance.normal(size=(40, outputs)) + 0.5 * chance.normal(size=(images, outputs))
        edges = [
            np.quantile(score, share) for score, share in zip(scores.T, np.linspace(0.5, 0.95, outputs), strict=True)
        ]
        return features, (scores > edges).astype(np.int64)
    if isinstance(task, Grades):
        severity = causes[:, :40] @ chance.normal(size=40) + 0.7 * chance.normal(size=images)
        return features, np.searchsorted(np.quantile(severity, GRADES), severity).astype(np.int64)
    scores = 2 * causes[:, :60] @ chance.normal(size=(60, outputs)) + chance.gumbel(size=(images, outputs))
    return features, scores.argmax(axis=1).astype(np.int64)


def measure(images: int, name: str, tries: int) -> dict[str, Any]:
    """Measure one head: wall seconds and those of the processor, and the inverse penalty that was chosen."""
    task = TASKS[name]
    features, targets = make_images(images, task)
    wall, busy = [], []
    for _ in range(tries):
        began, worked = time.perf_counter(), time.process_time()
        with calm_threads(images):
            strength = solve_linear_head(features, targets, task, True).strength
        wall.append(time.perf_counter() - began)
        busy.append(time.process_time() - worked)
    return {
        "images": images,
        "labels": name,
        "seconds": round(min(wall), 2),
        "processor_seconds": round(min(busy), 2),
        "strength": strength,
    }


def calculate() -> None:
    """Keep a core busy with products of matrices, as a fit beside would."""
    one = np.ones((700, 700), np.float32)
    while True:
        one = one @ one / 700


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=IMAGES)
    parser.add_argument("--labels", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--beside", type=int, default=0, help="other processes that calculate meanwhile")
    asked = parser.parse_args()
    others = [multiprocessing.get_context("spawn").Process(target=calculate, daemon=True) for _ in range(asked.beside)]
    for other in others:
        other.start()
    measure(200, "2 classes", 1)  # imports
    for images in asked.images:
        for name in asked.labels:
            print(json.dumps(measure(images, name, asked.tries)), flush=True)
    print(json.dumps({"beside": asked.beside, "machine": describe_machine()}))


if __name__ == "__main__":
    main()
