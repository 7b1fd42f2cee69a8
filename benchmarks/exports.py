"""How many images a second each export of a run answers in its own runtime, beside the run's own graph.

    python benchmarks/exports.py RUN [EXPORTS]

RUN is a finished run; EXPORTS the folder with its exports, made by `sightx export RUN --format all` (default: export/
in the run). Images are noise in memory: nothing is decoded. Each form is asked for batches of 1 and of 4 by turns, so
that other work on the machine slows them alike; the best of the rounds counts. Prints one JSON object: by form and
batch, images a second of the wall clock and milliseconds of the processors for an image, and the best rate as a share
of the run's own. Beside other work the processors' time says more than the clock's, with one thread (`taskset -c 0
python …`): threads that wait for each other count as working.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli import runs
from sightx_cli.bundle.export_folder import RECORD
from sightx_cli.bundle.exporter import FinishedModel
from sightx_cli.bundle.exporters import EXPORTERS
from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.machine import measure_threads

BATCHES, ROUNDS, ROUND_SECONDS = (1, 4), 12, 0.5
OWN = "bundle"


def open_own(run: Path, batch: int) -> Callable[[Any], Any]:
    """Open the run's own graph as `predict` does, several requests in flight."""
    forward = load_predictor(run, batch).forward
    calls = 2 * measure_threads().streams

    def answer(images: Any) -> int:
        return sum(len(images) for _ in forward.run((number, images) for number in range(calls)))

    return answer


def open_exports(run: Path, within: Path) -> dict[str, Callable[[Any], Any]]:
    """Open every export in a folder, each by its name."""
    model, found = FinishedModel(run, load_predictor(run).facts), {}
    for record in sorted(within.glob(f"*/{RECORD}")):
        told = json.loads(record.read_text(encoding="utf-8"))
        loaded = EXPORTERS[told["format"]].load(model, record.parent, told["precision"])
        found[record.parent.name] = lambda images, loaded=loaded: len(loaded.answer_views(images))
    return found


def measure_rate(answer: Callable[[Any], Any], images: Any) -> tuple[float, float]:
    """Measure images a second, and milliseconds of the processors for an image, over a short while."""
    began, worked, done = time.perf_counter(), time.process_time(), 0
    while (seconds := time.perf_counter() - began) < ROUND_SECONDS:
        done += answer(images)
    return done / seconds, 1000 * (time.process_time() - worked) / done


def main(run: Path, within: Path) -> dict[str, Any]:
    """Measure every form by turns."""
    forms, size_px = open_exports(run, within), load_predictor(run).facts.size_px
    rates: dict[str, dict[int, float]] = {}
    work: dict[str, dict[int, float]] = {}
    for batch in BATCHES:
        images = np.random.default_rng(0).integers(0, 256, (batch, size_px, size_px, 3), dtype=np.uint8)
        asked = {OWN: open_own(run, batch), **forms}
        for answer in asked.values():
            answer(images)
        seen = [{name: measure_rate(answer, images) for name, answer in asked.items()} for _ in range(ROUNDS)]
        for name in asked:
            rates.setdefault(name, {})[batch] = round(max(one[name][0] for one in seen), 1)
            work.setdefault(name, {})[batch] = round(min(one[name][1] for one in seen), 2)
    best = {name: max(found.values()) for name, found in rates.items()}
    return {
        "threads": measure_threads().total,
        "images_per_second": rates,
        "processor_ms_per_image": work,
        "share_of_own": {name: round(rate / best[OWN], 2) for name, rate in best.items()},
    }


if __name__ == "__main__":
    run = runs.find_run(sys.argv[1])
    print(json.dumps(main(run, Path(sys.argv[2]) if len(sys.argv) > 2 else run / runs.EXPORT)))
