"""The features of the plain views, for inspections and probes: the same that a fit reads afterwards."""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.readers import AS_IS, Reading
from sightx_cli.engine.choice import build_forward, choose_device, choose_engine
from sightx_cli.engine.interface import FEATURES, Forward, Images
from sightx_cli.features.extraction import Features, compute_features, compute_outputs
from sightx_cli.features.prefix import FrozenPrefix
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.views import View
from sightx_cli.model.backbone import Prefix
from sightx_cli.model.classifier import build_backbone, build_classifier
from sightx_cli.model.forward_check import check_forward
from sightx_cli.model.parameter_groups import find_cuts
from sightx_cli.model.weights_file import WeightsFile
from sightx_cli.progress import Listener, reporting
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.startup.imports import OPENING


@dataclass(frozen=True)
class PlainFeatures:
    """The features (N, F) float32 of N images: each tap's columns, earliest first, the network's last output last."""

    rows: NDArray[np.float32]
    widths: tuple[int, ...]
    """How many columns each tap takes, in order; `widths[-1]` is the last output's."""
    seconds: float


class FrozenNetwork:
    """A recipe's frozen network before a fit: it gives the features of plain views, and of any pixels.

    Those of plain views are cached under the address that a fit with this recipe reads, so that the fit finds them;
    without a store they stay in memory. Raises SightXError for missing weights or devices, or a network that gives no
    numbers.
    """

    def __init__(
        self,
        recipe: Recipe,
        weights_file: WeightsFile | None,
        store: FeatureStore | None,
        listener: Listener,
        device: str = "auto",
        engine: str = "auto",
        pixels: PlainViews | None = None,
        reading: Reading = AS_IS,
    ) -> None:
        self._began = time.perf_counter()
        self._store, self._listener, self._pixels = store, listener, pixels
        self._engine = choose_engine(engine, choose_device(device))
        with reporting(listener, OPENING):
            self._backbone, self._weights = build_backbone(recipe, weights_file)
        self.widths = self._backbone.widths
        image, name = recipe.image, recipe.model.backbone
        self._view = View(image.size_px, image.fit, None, 0, 0, reading)
        self._frozen: FrozenPrefix | None = None
        model = build_classifier(self._backbone, recipe, 2)
        check_forward(model, 2, image.size_px, f"weights ({self._weights.origin})")  # before anything is cached
        if store is not None:
            cuts = find_cuts(self._backbone, model[1], recipe)
            self._frozen = FrozenPrefix(
                name, self._backbone, self._weights, cuts, image.size_px, store, self._engine, listener, pixels
            )

    def read_as(self, fit: str) -> FrozenNetwork:
        """Return the same network, converted and compiled once, for images made square in another way."""
        other = copy.copy(self)
        other._began, other._view = time.perf_counter(), replace(self._view, fit=fit)
        return other

    @functools.cached_property
    def forward(self) -> Forward:
        """The compiled network; converted, or loaded, when it is first needed."""
        if self._frozen is not None:
            return self._frozen.build_forward()
        prefix, weights = Prefix(self._backbone, [], features=True), self._weights
        names, size_px = prefix.output_names(), self._view.size_px
        return build_forward(self._engine, prefix, names, size_px, weights.mean, weights.std, None, self._listener)

    def extract(self, paths: Sequence[str], digests: Sequence[str], task: str, dtype: str = "float16") -> PlainFeatures:
        """Return the features of each image's plain view.

        They are cached as float16 where a fit trains on these images, as float32 where it may evaluate on them.
        """
        features = self._find(paths, digests, task, dtype)
        if features is None:  # there is no store, or maps are too large for it; the features themselves are not
            features = compute_features(self.forward, self._view, paths, digests, self._listener, task, self._pixels)
        rows = features.take().astype(np.float32)
        return PlainFeatures(rows, self.widths, time.perf_counter() - self._began)

    def compute(self, batches: Iterable[tuple[int, Images]], images: int, task: str) -> NDArray[np.float32]:
        """Return the features (N, F) of any pixels, in batches of (position of the first, pixels (N, S, S, 3))."""
        self._listener.start(task, images, "images")
        rows = compute_outputs(self.forward, batches, images, self._listener, task)[FEATURES]
        self._listener.finish(task)
        return np.asarray(rows, np.float32)

    def _find(self, paths: Sequence[str], digests: Sequence[str], task: str, dtype: str) -> Features | None:
        store, frozen = self._store, self._frozen
        if store is None or frozen is None:
            return None
        lookup = frozen.find(paths, digests, self._view, dtype=dtype)
        try:
            if not store.reserve(lookup.needed_bytes, lookup.found_bytes):
                raise OSError
            return frozen.extract(lookup, self._view, task)
        except OSError:
            store.tell(self._listener)
            return None


def extract_plain_features(
    recipe: Recipe,
    weights_file: WeightsFile | None,
    paths: Sequence[str],
    digests: Sequence[str],
    store: FeatureStore | None,
    listener: Listener,
    task: str = "looking at the images",
    device: str = "auto",
    engine: str = "auto",
    dtype: str = "float16",
    pixels: PlainViews | None = None,
    reading: Reading = AS_IS,
) -> PlainFeatures:
    """Return the features of each image's plain view by the recipe's frozen network (see `FrozenNetwork`)."""
    network = FrozenNetwork(recipe, weights_file, store, listener, device, engine, pixels, reading)
    return network.extract(paths, digests, task, dtype)
