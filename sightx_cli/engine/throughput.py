"""How many images a second a compiled forward takes, without reading any."""

from __future__ import annotations

import time

import numpy as np

from sightx_cli.engine.interface import Forward
from sightx_cli.machine import measure_threads


def measure_throughput(forward: Forward, seconds: float) -> float:
    """Measure images per second over about so many seconds: the best of short rounds, for other work comes and goes.

    A round is two batches for each that run side by side; a network so slow that one takes longer is measured by it.
    """
    size, batch = forward.size_px, forward.batch_images
    images = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    streams = measure_threads().streams
    for _ in forward.run((number, images) for number in range(streams)):
        pass  # the first calls allocate
    best, began = 0.0, time.perf_counter()
    while not best or time.perf_counter() - began < seconds:
        clock = time.perf_counter()
        calls = sum(1 for _ in forward.run((number, images) for number in range(2 * streams)))
        best = max(best, calls * batch / (time.perf_counter() - clock))
    return best
