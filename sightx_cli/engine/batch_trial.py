"""How many images go into one call of a graph: tried on this machine before long work, and kept beside the graph.

The numbers that come out are the same with any batch; how fast they come depends on the processor's caches and kernels.
tf_efficientnet_lite0 at 224 px in float32 gives 184 images/s with batches of 4 and 237 with 8 on an Intel Emerald
Rapids, 452 and 390 on an AMD Zen 5.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli.engine.interface import Precision, choose_batch
from sightx_cli.engine.openvino_forward import OpenVinoForward, load_core, measure_graph_shapes
from sightx_cli.machine import measure_threads

TRIAL_IMAGES = 2000
"""From this many images on a trial pays: it takes half a second, as long as some 300 images."""
ROUNDS, ROUND_SECONDS = 2, 0.06
LEAST_GAIN = 1.05
"""How much faster another batch must be, in every round, to be taken for more than noise."""


def find_batch(graph: Any, precision: Precision, images: int, record: Path | None) -> int:
    """Return the batch for this many images: the one recorded for this machine, or found by a trial if that pays.

    `graph` is an OpenVINO graph of uint8 images (N, S, S, 3), left as it is. Without a record to keep it in, nothing is
    tried.
    """
    size_px, _ = measure_graph_shapes(graph)
    usual = choose_batch(size_px)
    if record is None:
        return usual
    key, known = describe_machine(precision), read_record(record)
    if key in known:
        return known[key]
    if images < TRIAL_IMAGES:
        return usual
    found = try_batches(graph, precision, size_px, usual)
    with contextlib.suppress(OSError):  # where nothing can be kept, the next one tries again
        record.parent.mkdir(parents=True, exist_ok=True)
        partial = record.with_name(f".{os.getpid()}-{record.name}")
        partial.write_text(json.dumps({**known, key: found}))
        partial.replace(record)
    return found


def try_batches(graph: Any, precision: Precision, size_px: int, usual: int) -> int:
    """Return the fastest of the usual batch, half and twice of it."""
    others = [batch for batch in (usual // 2, usual * 2) if batch]
    images = np.random.default_rng(0).integers(0, 256, (2 * usual, size_px, size_px, 3), dtype=np.uint8)
    rates = {}
    for batch in (usual, *others):  # one at a time: each compiled graph holds its weights and maps
        forward = OpenVinoForward(graph.clone(), batch=batch, precision=precision)
        rates[batch] = [time_batches(forward, images[:batch]) for _ in range(ROUNDS)]
        del forward
    gains = {batch: min(rates[batch]) / max(rates[usual]) for batch in others}
    best = max(gains, key=lambda batch: gains[batch], default=usual)
    return best if gains.get(best, 0.0) >= LEAST_GAIN else usual


def time_batches(forward: OpenVinoForward, images: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
    """Measure images per second over a short while, after a few calls that warm up."""
    calls = 2 * measure_threads().streams
    for _ in forward.run((number, images) for number in range(calls)):
        pass
    began, done = time.perf_counter(), 0
    while (seconds := time.perf_counter() - began) < ROUND_SECONDS:
        done += sum(1 for _ in forward.run((number, images) for number in range(calls)))
    return done * len(images) / seconds


def describe_machine(precision: Precision) -> str:
    """Name all that the fastest batch depends on, beside the graph."""
    processor = load_core().get_property("CPU", "FULL_DEVICE_NAME")
    threads, engine = measure_threads().total, version("openvino")
    return f"{processor}, {threads} threads, {precision}, OpenVINO {engine}, {platform.system()}"


def read_record(path: Path) -> dict[str, int]:
    """Read the batches found so far, by machine; none where the record is missing or damaged."""
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(told, dict):
        return {}
    return {key: value for key, value in told.items() if type(value) is int and 1 <= value <= 64}
