"""The search for near duplicates among many images: time and peak memory at 25,000, 50,000 and 100,000.

    .venv/bin/python benchmarks/many.py [--images 25000 50000 100000] [--data ../shared/data/cifar10-train.tar.gz]

The images are CIFAR-10's; beyond 50,000 the same, mirrored and a little darker, so that they are others. Of each 1,000
one is a copy, re-encoded or cropped by a pixel on each side. What the network would say about them is simulated: a
random projection of the picture with a nonlinearity, 1,280 wide. Each size runs in a process of its own. Prints JSON;
`found` is the share of the planted copies that is found, `exact` the share of the exact nearest neighbours that the
search in cells finds, of 2,000 images.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from sightx_cli.quality.duplicates import confirm_pairs
from sightx_cli.quality.neighbours import find_neighbours, reduce_features
from sightx_cli.quality.registration import SIDE_PX

WIDTH = 1280
COPY_EVERY = 1000
CHECKED = 2000


def load_pictures(data: Path, count: int) -> np.ndarray:
    """Return `count` colour pictures, (N, 32, 32, 3) uint8."""
    pictures = np.empty((count, 32, 32, 3), np.uint8)
    place = 0
    with tarfile.open(data) as archive:
        for member in archive:
            if place == min(count, 50_000):
                break
            if member.isfile():
                with Image.open(io.BytesIO(archive.extractfile(member).read())) as image:
                    pictures[place] = np.asarray(image.convert("RGB"))
                place += 1
    for start in range(place, count, place):
        stop = min(start + place, count)
        pictures[start:stop] = (pictures[: stop - start, :, ::-1] * 0.9).astype(np.uint8)
    return pictures


def plant_copies(pictures: np.ndarray) -> np.ndarray:
    """Make every COPY_EVERYth picture a copy of the one before it, in place; return the pairs."""
    pairs = []
    for place in range(COPY_EVERY, len(pictures), COPY_EVERY):
        image = Image.fromarray(pictures[place - 1])
        if place // COPY_EVERY % 2:
            image = image.crop((1, 1, 31, 31)).resize((32, 32), Image.Resampling.BICUBIC)
        stream = io.BytesIO()
        image.save(stream, format="JPEG", quality=70)
        pictures[place] = np.asarray(Image.open(stream).convert("RGB"))
        pairs.append((place - 1, place))
    return np.array(pairs)


def simulate_features(pictures: np.ndarray) -> np.ndarray:
    """Return what a network might say about pictures: (N, WIDTH) float32."""
    chance = np.random.default_rng(0)
    first = chance.normal(size=(8 * 8 * 3, WIDTH)).astype(np.float32) / 14
    features = np.empty((len(pictures), WIDTH), np.float32)
    for start in range(0, len(pictures), 4096):
        block = pictures[start : start + 4096].reshape(-1, 8, 4, 8, 4, 3).mean((2, 4)).reshape(-1, 192)
        features[start : start + 4096] = np.maximum((block.astype(np.float32) / 64 - 2) @ first, 0)
    return features


def measure(data: Path, count: int) -> dict[str, object]:
    pictures = load_pictures(data, count)
    planted = plant_copies(pictures)
    features = simulate_features(pictures)
    grey = np.empty((count, SIDE_PX, SIDE_PX), np.uint8)
    for place, picture in enumerate(pictures):
        image = Image.fromarray(picture).convert("L")
        grey[place] = np.asarray(image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))
    del pictures
    before = peak_bytes()
    began = time.perf_counter()
    rows = reduce_features(features)
    neighbours = find_neighbours(rows)
    searched = time.perf_counter()
    pairs = confirm_pairs(grey, np.full(count, 32), neighbours)
    done = time.perf_counter()
    peak = peak_bytes()
    found = {tuple(pair) for pair in pairs.tolist()}
    checked = np.random.default_rng(0).choice(count, min(CHECKED, count), replace=False)
    similar = rows[checked] @ rows.T
    similar[np.arange(len(checked)), checked] = -2
    exact = float((similar.argmax(1) == neighbours.places[checked, 0]).mean())
    return {
        "images": count,
        "seconds": {"search": round(searched - began, 1), "confirm": round(done - searched, 1)},
        "peak_bytes": {"inputs": before, "whole": peak},
        "found": round(sum(tuple(pair) in found for pair in planted.tolist()) / len(planted), 4),
        "pairs": len(found),
        "exact": round(exact, 4),
    }


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(__file__).parent.parent.parent / "shared"
    parser.add_argument("--data", type=Path, default=shared / "data" / "cifar10-train.tar.gz")
    parser.add_argument("--images", type=int, nargs="+", default=[25_000, 50_000, 100_000])
    options = parser.parse_args()
    if len(options.images) == 1:
        with threadpool_limits(1, user_api="blas"):  # as inspect does
            print(json.dumps(measure(options.data, options.images[0])))
        return
    for count in options.images:
        command = [sys.executable, __file__, "--data", str(options.data), "--images", str(count)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
