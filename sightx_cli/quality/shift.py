"""The domain shift: how far images are from the photographs that the network was pretrained on.

A network's BatchNorms store the mean and variance of each channel over its training images. So the statistics of
ImageNet are available without ImageNet, and the user's images are compared with them: per channel the divergence of two
normal distributions, KL(data ‖ ImageNet), averaged over the channels and over the last four BatchNorms of
tf_efficientnet_lite0 (whatever network is trained afterwards). The first measurement converts the network; later ones
read the cached graph and never import torch.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.augmentation import read_view
from sightx_cli.data.checks import Unreadable, refuse_all
from sightx_cli.data.folders import natural_key
from sightx_cli.data.readers import AS_IS, ImageFileError, Reading, load_bytes, measure_header, read_pixels
from sightx_cli.engine.interface import BATCH_IMAGES, Forward, Images
from sightx_cli.engine.openvino_forward import load_openvino
from sightx_cli.features.addresses import digest_key
from sightx_cli.features.extraction import compute_outputs
from sightx_cli.features.store import FeatureStore
from sightx_cli.machine import measure_threads
from sightx_cli.model.packaged import digest_weights, find_packaged_file
from sightx_cli.progress import Listener
from sightx_cli.quality.divergence import (
    SHIFT_IMAGES,
    choose_edge,
    describe_doubts,
    score_few,
)
from sightx_cli.results.inspect import Shift

SHIFT_NORMS = 4
SHIFT_BACKBONE = "tf_efficientnet_lite0"
SHIFT_SIZE_PX = 224
SHIFT_FIT = "squash"
"""The whole image: what a crop removes may be what makes it different."""

GREY_LEVELS = 3.0
"""Images whose channels differ by less than this on average, of 255, are grey: JPEG leaves 1 or 2."""
GREY_SHARE = 0.95
SAMPLE_SEED = 0
"""The same sample for a data set, whatever --seed says: the shift does not depend on chance."""


def measure_shift(paths: Sequence[str], listener: Listener, keep_graph: bool = True, reading: Reading = AS_IS) -> Shift:
    """Measure how far images are from ImageNet, on a sample that is the same each time; unreadable files are skipped.

    Args:
        paths: image files, only of the part to train on.
        listener: receives progress.
        keep_graph: whether a graph built here may be cached on disk.
        reading: how the pixels are taken from the files.

    Raises:
        DataError: when none of the files can be read.
        WeightsError: when the weights needed for the measurement are not available.
    """
    began = time.perf_counter()
    task = "measuring the shift"
    listener.start(task, min(SHIFT_IMAGES, len(paths)), "images")
    try:
        with ThreadPoolExecutor(1) as pool:  # read in the meantime: loading the network uses only one core
            sample = pool.submit(read_sample, paths, reading)
            forward = load_forward(listener, keep_graph)
            images, enlargements = sample.result()
        starts = range(0, len(images), BATCH_IMAGES)
        batches = ((start, images[start : start + BATCH_IMAGES]) for start in starts)
        moments = compute_outputs(forward, batches, len(images), listener, task)
    finally:
        listener.finish(task)
    score = score_few(moments)
    enlarged = median(enlargements)
    edge = choose_edge(enlarged)
    return Shift(
        score=score,
        verdict="different" if score >= edge else "similar",
        edge=edge,
        images=len(images),
        enlarged=enlarged if enlarged > 1 else None,
        grey=are_grey(images),
        note=describe_doubts(score, edge, len(images), SHIFT_SIZE_PX / enlarged, enlarged),
        seconds=time.perf_counter() - began,
    )


def load_forward(listener: Listener, keep_graph: bool) -> Forward:
    """Return the compiled network for the moments: from the cached graph, else converted (which imports torch)."""
    packaged = find_packaged_file(SHIFT_BACKBONE)
    store = FeatureStore()
    known = digest_weights(packaged[0]) if packaged else "hub"
    measured = {"moments": SHIFT_BACKBONE, "weights": known, "norms": SHIFT_NORMS}
    address = digest_key(measured, ("timm", "torch", "openvino"))
    graph = store.graphs / f"shift-{address}.xml"
    if graph.is_file():
        try:
            forward = load_openvino(graph, batch=BATCH_IMAGES, precision="float32")
            with contextlib.suppress(OSError):  # marks it as used; a read-only store works too
                os.utime(graph)
            return forward
        except RuntimeError:
            pass  # damaged: `build_forward` reports it and converts again
    from sightx_cli.engine.choice import EngineChoice, build_forward
    from sightx_cli.model.norm_moments import build_norm_moments

    module, weights = build_norm_moments(SHIFT_BACKBONE, SHIFT_SIZE_PX, SHIFT_NORMS)
    engine = EngineChoice("openvino", "float32", "cpu", "the shift is measured on the CPU, in full precision")
    names, kept = module.output_names(), store.place_graph(graph.name) if keep_graph else None
    return build_forward(engine, module, names, SHIFT_SIZE_PX, weights.mean, weights.std, kept, listener)


def read_sample(paths: Sequence[str], reading: Reading = AS_IS) -> tuple[Images, list[float]]:
    """Read up to SHIFT_IMAGES of the files, sampled at random but always the same, whatever their order.

    Returns the images (N, 224, 224, 3) and the factor by which each was enlarged (below 1: reduced). Raises DataError
    when none can be read.
    """
    listed = sorted(paths)
    waiting = [listed[place] for place in np.random.default_rng(SAMPLE_SEED).permutation(len(listed))]
    found: list[tuple[NDArray[np.uint8], float]] = []
    unreadable: list[Unreadable] = []
    with ThreadPoolExecutor(measure_threads().decoding) as pool:
        while waiting and len(found) < SHIFT_IMAGES:
            missing = SHIFT_IMAGES - len(found)
            part, waiting = waiting[:missing], waiting[missing:]
            for one in pool.map(partial(_read_one, reading=reading), part):
                if isinstance(one, Unreadable):
                    unreadable.append(one)
                else:
                    found.append(one)
    if not found:
        raise refuse_all(sorted(unreadable, key=lambda one: natural_key(one.image)))
    return np.stack([pixels for pixels, _ in found]), [enlarged for _, enlarged in found]


def _read_one(path: str, reading: Reading) -> tuple[NDArray[np.uint8], float] | Unreadable:
    try:
        data = load_bytes(path)
        width, height = measure_header(path, data, reading)[:2]
        pixels = read_view(path, SHIFT_SIZE_PX, SHIFT_FIT, None, 0, partial(read_pixels, data=data), reading)
        return pixels, SHIFT_SIZE_PX / (width * height) ** 0.5
    except ImageFileError as error:
        return Unreadable("/".join(Path(path).parts[-2:]), error.reason, error.hint)


def are_grey(images: Images) -> bool:
    """Tell whether images (N, H, W, 3) are grey, apart from a few."""
    spread = np.array([np.ptp(image.astype(np.int16), axis=2).mean() for image in images])
    return bool((spread < GREY_LEVELS).mean() >= GREY_SHARE)
