"""What the frozen network says of images, for looks and probes: the same kept outputs that a fit reads afterwards."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.engine.choice import choose_device, choose_engine
from sightx_cli.engine.interface import FEATURES
from sightx_cli.features.outputs import View, read_batches
from sightx_cli.features.prefix import FrozenPrefix
from sightx_cli.features.store import OutputStore
from sightx_cli.model.classifier import build_backbone, build_classifier
from sightx_cli.model.parameter_groups import find_cuts
from sightx_cli.model.weights_file import WeightsFile
from sightx_cli.progress import Listener
from sightx_cli.recipe.recipe import Recipe


@dataclass(frozen=True)
class Embedding:
    """The features (N, F) float32 of N images: each tap's columns, earliest first, the network's last output last."""

    features: NDArray[np.float32]
    widths: tuple[int, ...]
    """How many columns each tap takes, in order; `widths[-1]` is the last output's."""
    seconds: float
    computed: bool
    """False when all was found in the store."""


def embed_images(
    recipe: Recipe,
    weights_file: WeightsFile | None,
    paths: Sequence[str],
    digests: Sequence[str],
    listener: Listener,
    task: str = "looking at the images",
    device: str = "auto",
    engine: str = "auto",
) -> Embedding:
    """Return the features of each image's plain reading by the recipe's frozen network.

    They are kept under the address that a fit with this recipe reads, so that the fit finds them; where there is no
    room to keep them they are computed in memory. Raises SightXError for weights or devices that are not there.
    """
    began = time.perf_counter()
    choice = choose_engine(engine, choose_device(device))
    backbone, weights = build_backbone(recipe, weights_file)
    cuts = find_cuts(backbone, build_classifier(backbone, recipe, 2)[1], recipe)
    image, store = recipe.image, OutputStore()
    view = View(image.size_px, image.fit, None, 0, 0)
    frozen = FrozenPrefix(recipe.model.backbone, backbone, weights, cuts, image.size_px, store, choice, listener)
    features: NDArray[np.float32] | None = None
    if store.has_room(frozen.estimate_bytes(len(paths))):
        try:
            kept = frozen.keep(paths, digests, view, task)
            features = kept.take(FEATURES, np.arange(len(paths))).astype(np.float32)
        except OSError as error:
            listener.warn(f"what the network says of the images cannot be kept ({error.strerror})")
    if features is None:
        features = np.empty((len(paths), backbone.feature_count), np.float32)
        listener.start(task, len(paths), "images")
        forward = frozen.build_forward()
        items = list(zip(digests, paths, strict=True))
        for first, outputs in forward.run(read_batches(items, view, forward.batch_images)):
            rows = outputs[FEATURES]
            features[first : first + len(rows)] = rows
            listener.advance(task, len(rows))
        listener.finish(task)
    return Embedding(features, backbone.widths, time.perf_counter() - began, frozen.computed)
