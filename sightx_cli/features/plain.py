"""The features of the plain views, for inspections and probes: the same that a fit reads afterwards."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.readers import AS_IS, Reading
from sightx_cli.engine.choice import choose_device, choose_engine
from sightx_cli.features.extraction import compute_features
from sightx_cli.features.prefix import FrozenPrefix
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.views import View
from sightx_cli.model.classifier import build_backbone, build_classifier
from sightx_cli.model.parameter_groups import find_cuts
from sightx_cli.model.weights_file import WeightsFile
from sightx_cli.progress import Listener
from sightx_cli.recipe.recipe import Recipe


@dataclass(frozen=True)
class PlainFeatures:
    """The features (N, F) float32 of N images: each tap's columns, earliest first, the network's last output last."""

    rows: NDArray[np.float32]
    widths: tuple[int, ...]
    """How many columns each tap takes, in order; `widths[-1]` is the last output's."""
    seconds: float


def extract_plain_features(
    recipe: Recipe,
    weights_file: WeightsFile | None,
    paths: Sequence[str],
    digests: Sequence[str],
    store: FeatureStore,
    listener: Listener,
    task: str = "looking at the images",
    device: str = "auto",
    engine: str = "auto",
    dtype: str = "float16",
    pixels: PlainViews | None = None,
    reading: Reading = AS_IS,
) -> PlainFeatures:
    """Return the features of each image's plain view by the recipe's frozen network.

    They are cached under the address that a fit with this recipe reads, so that the fit finds them: as float16 where it
    trains on these images, as float32 where it may evaluate on them. Raises SightXError for missing weights or devices.
    """
    began = time.perf_counter()
    choice = choose_engine(engine, choose_device(device))
    backbone, weights = build_backbone(recipe, weights_file)
    cuts = find_cuts(backbone, build_classifier(backbone, recipe, 2)[1], recipe)
    image, name = recipe.image, recipe.model.backbone
    view = View(image.size_px, image.fit, None, 0, 0, reading)
    frozen = FrozenPrefix(name, backbone, weights, cuts, image.size_px, store, choice, listener, pixels)
    lookup = frozen.find(paths, digests, view, dtype=dtype)
    try:
        if not store.reserve(lookup.needed_bytes, lookup.found_bytes):
            raise OSError
        features = frozen.extract(lookup, view, task)
    except OSError:  # maps are large, the features themselves are not
        store.tell(listener)
        features = compute_features(frozen.build_forward(), view, paths, digests, listener, task, pixels)
    return PlainFeatures(features.take().astype(np.float32), backbone.widths, time.perf_counter() - began)
