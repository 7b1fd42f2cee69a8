"""From files to features, and what bounds it: python feature_rate.py FOLDER --fit crop|pad. Prints one JSON object.

Images/s of the frozen layers over files as `sightx fit` computes them, in the precision that is faster here; of a bare
decoding of the same files in as many threads (Pillow, at the fraction of the size that the view needs); and of a bare
forward over arrays. The limit is 1 / (seconds of the decode + seconds of the forward).
"""

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from sightx_cli.data.geometry import measure_needed_sides
from sightx_cli.data.readers.raster import draft
from sightx_cli.engine.choice import choose_engine
from sightx_cli.features.prefix import FrozenPrefix
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.views import View
from sightx_cli.machine import measure_threads
from sightx_cli.model.backbone import Backbone, build_network
from sightx_cli.model.weights import find_weights, load_weights
from sightx_cli.progress import Silent
from sightx_cli.startup.process import settle_process

NETWORK, SIZE_PX, CUT = "tf_efficientnet_lite0", 224, 6
ROUNDS = 3


def rate(images: int, work: Callable[[], object]) -> float:
    """Return the most images per second of a few rounds."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return round(images / min(seconds), 1)


def decode(path: str, sides: dict[str, int]) -> None:
    with Image.open(path) as image:
        draft(image, sides.get("min_side_px"), sides.get("min_long_side_px"))
        image.load()


def measure(folder: Path, fit: str, store: FeatureStore) -> dict[str, Any]:
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    digests = [f"{number:032x}" for number in range(len(files))]
    backbone = Backbone(build_network(NETWORK, SIZE_PX), "all")
    weights = find_weights(NETWORK, backbone)
    load_weights(backbone, weights)
    engine = choose_engine("auto", "cpu")
    precision = engine.half or engine.precision
    frozen = FrozenPrefix(NETWORK, backbone, weights, [CUT], SIZE_PX, store, engine, Silent())
    first = View(SIZE_PX, fit, None, 0, 0)
    frozen.extract(frozen.find(files[:64], digests[:64], first, precision), first, "warm up", precision)
    seeds = iter(range(1, 100))

    def extract() -> None:  # under new digests each time, so that nothing is found
        seed = next(seeds)
        names = [f"{seed:04x}{digest[4:]}" for digest in digests]
        if hasattr(frozen, "planned_images"):
            frozen.planned_images[precision] = len(files)
        frozen.extract(frozen.find(files, names, first, precision), first, "frozen layers", precision)

    found = {"files_per_second": rate(len(files), extract)}
    forward = frozen.build_forward(precision)
    batch = forward.batch_images
    arrays = np.random.default_rng(0).integers(0, 256, (16 * batch, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    starts = [start for _ in range(max(1, len(files) // len(arrays))) for start in range(0, len(arrays), batch)]
    found["forward_per_second"] = rate(
        len(starts) * batch, lambda: [0 for _ in forward.run((n, arrays[s : s + batch]) for n, s in enumerate(starts))]
    )
    sides = measure_needed_sides(SIZE_PX, fit)
    with ThreadPoolExecutor(measure_threads().decoding) as pool:
        found["decode_per_second"] = rate(len(files), lambda: list(pool.map(lambda path: decode(path, sides), files)))
    limit = 1 / (1 / found["decode_per_second"] + 1 / found["forward_per_second"])
    shares = {"limit_per_second": round(limit, 1), "percent": round(100 * found["files_per_second"] / limit, 1)}
    return {"images": len(files), "precision": precision, "batch": batch, **found, **shares}


if __name__ == "__main__":
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path)
    cli.add_argument("--fit", default="pad")
    given = cli.parse_args()
    settle_process()
    with TemporaryDirectory() as cache:
        print(json.dumps(measure(given.folder, given.fit, FeatureStore(Path(cache)))))
