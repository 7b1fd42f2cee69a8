"""How much faster a run's OpenVINO export in int8 is than the one in float32, without decoding.

    sightx export RUN --format openvino
    sightx export RUN --format openvino --precision int8
    python benchmarks/int8.py RUN/export

Prints one JSON object with the processor: images a second of both, in turn, each round; and the median of their ratios,
which other work on the machine moves less than the rates.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from sightx_cli.engine.batch_trial import time_batches
from sightx_cli.engine.interface import choose_batch
from sightx_cli.engine.openvino_forward import OpenVinoForward, load_core, measure_graph_shapes

ROUNDS = 9
FOLDERS = {"float32": "openvino", "int8": "openvino-int8"}


def measure_rates(export: Path) -> dict[str, object]:
    """Measure both exports in turn, on the same noise and in batches of the same size."""
    core = load_core()
    graphs = {name: core.read_model(str(export / folder / "model.xml")) for name, folder in FOLDERS.items()}
    size_px, _ = measure_graph_shapes(graphs["float32"])
    batch = choose_batch(size_px)
    images = np.random.default_rng(0).integers(0, 256, (batch, size_px, size_px, 3), dtype=np.uint8)
    forwards = {name: OpenVinoForward(graph, batch=batch) for name, graph in graphs.items()}
    rates = {name: [] for name in forwards}
    for _ in range(ROUNDS):
        for name, forward in forwards.items():
            rates[name].append(round(max(time_batches(forward, images) for _ in range(3)), 1))
    ratios = np.array(rates["int8"]) / np.array(rates["float32"])
    return {
        "processor": core.get_property("CPU", "FULL_DEVICE_NAME"),
        "size_px": size_px,
        "batch": batch,
        "images_per_second": {name: max(found) for name, found in rates.items()},
        "times": round(float(np.median(ratios)), 2),
        "rounds": rates,
    }


if __name__ == "__main__":
    print(json.dumps(measure_rates(Path(sys.argv[1])), indent=2))
