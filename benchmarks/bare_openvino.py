"""The bound for `predict`: a bare OpenVINO loop over decoded arrays. python bare_openvino.py RUN FOLDER

OpenVINO's own throughput settings, the run's own graph, and the quickest of several batch sizes. Prints one JSON
object.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import openvino

from sightx_cli.bundle.facts import load_facts
from sightx_cli.data.augmentation import read_view

BATCHES = (1, 8, 16, 32)


def measure_rate(graph: Path, images: np.ndarray, batch: int) -> float:
    """Return the images per second of one pass, after a short one that warms up."""
    core = openvino.Core()
    model = core.read_model(graph)
    model.reshape({0: [batch, *images.shape[1:]]})
    compiled = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})
    whole = len(images) // batch * batch
    for stop in (min(whole, 4 * batch), whole):
        jobs = openvino.AsyncInferQueue(compiled)
        began = time.perf_counter()
        for start in range(0, stop, batch):
            jobs.start_async({0: images[start : start + batch]})
        jobs.wait_all()
    return whole / (time.perf_counter() - began)


def main() -> None:
    run, folder = Path(sys.argv[1]), Path(sys.argv[2])
    facts = load_facts(run)
    files = [path for path in folder.rglob("*") if path.is_file()]
    images = np.stack([read_view(path, facts.size_px, facts.fit, None, 0) for path in files])
    rates = {str(batch): round(measure_rate(run / "bundle" / "graph.xml", images, batch), 1) for batch in BATCHES}
    print(json.dumps({"images": len(images), "images_per_second": max(rates.values()), "by_batch": rates}))


if __name__ == "__main__":
    main()
