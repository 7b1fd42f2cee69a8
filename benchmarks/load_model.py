"""How soon `load_model` answers first, from the start of a process, and how long an image from bytes takes then.

    python benchmarks/load_model.py RUN IMAGES

RUN is a finished run, IMAGES a folder. Prints one JSON object: seconds of the wall clock and of the processors until
the first answer (a process each, the median and the best of seven), then milliseconds of each image alone, from bytes,
and images a second of a list. Beside other work the processors' seconds say more than the clock's.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

FIRST = """
import sys
from sightx_cli import load_model
load_model(sys.argv[1]).predict(open(sys.argv[2], "rb").read())
assert "torch" not in sys.modules
"""
PROCESSES, MOST_IMAGES, ROUNDS = 7, 60, 5


def time_first_answers(run: str, image: Path) -> dict[str, float]:
    """Time processes that load the run and answer one image; the first, which fills caches, is not counted."""
    clock, work = [], []
    for _ in range(PROCESSES + 1):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, "-c", FIRST, run, str(image)], check=True)
        clock.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        work.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {
        "first_answer_s": round(float(np.median(clock[1:])), 3),
        "first_answer_best_s": round(min(clock[1:]), 3),
        "first_answer_processor_s": round(float(np.median(work[1:])), 3),
    }


def time_answers(run: str, images: list[Path]) -> dict[str, float]:
    """Time images alone, from bytes, and lists of them, in this process."""
    from sightx_cli import load_model

    model, files = load_model(run), [path.read_bytes() for path in images]
    model.predict(files)
    alone, rates = [], []
    for _ in range(ROUNDS):
        alone += [model.predict(file).seconds * 1000 for file in files]
        began = time.perf_counter()
        model.predict(files)
        rates.append(len(files) / (time.perf_counter() - began))
    return {
        "size_px": model.size_px,
        "alone_p50_ms": round(float(np.median(alone)), 1),
        "alone_p95_ms": round(float(np.quantile(alone, 0.95)), 1),
        "alone_best_ms": round(min(alone), 1),
        "list_images_per_second": round(float(np.median(rates)), 1),
    }


def main() -> None:
    """Measure, and print what was found."""
    run, folder = sys.argv[1:]
    images = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in (".jpg", ".png"))[:MOST_IMAGES]
    print(json.dumps({**time_first_answers(run, images[0]), **time_answers(run, images)}, indent=2))


if __name__ == "__main__":
    main()
