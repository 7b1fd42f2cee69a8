"""The frozen prefix of a whole fit: one compiled forward gives every training stage the features it needs."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.pixels import PlainViews
from sightx_cli.engine.batch_trial import TRIAL_IMAGES
from sightx_cli.engine.choice import EngineChoice, build_forward
from sightx_cli.engine.interface import EXACT, FEATURES, Forward, Precision
from sightx_cli.features.addresses import digest_key
from sightx_cli.features.extraction import Compute, Features, Lookup, extract_features, find_features
from sightx_cli.features.joined_features import join_lookups
from sightx_cli.features.room import agree_on_room, reserve_room
from sightx_cli.features.sample import Sample
from sightx_cli.features.shards import Column
from sightx_cli.features.shared_extraction import extract_parts
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.views import View, plain_view
from sightx_cli.features.workers import ForwardParts
from sightx_cli.model.backbone import Backbone, Prefix
from sightx_cli.model.combined_backbone import CombinedBackbone
from sightx_cli.model.combined_network import split_backbone
from sightx_cli.model.weights import Weights
from sightx_cli.processes import ALONE, Processes
from sightx_cli.progress import Listener, reporting
from sightx_cli.startup.imports import COMPILING

COMPUTED_BY = {"openvino": ("timm", "torch", "openvino"), "torch": ("timm", "torch")}
"""The packages whose versions are part of the address of what an engine computed."""

GRAPH_FORMAT = 2
"""Of converted graphs in the store: raised when a conversion gives a faster one of the same numbers."""

SOLVE_ROWS = 2000
"""The head is solved on as many views of the images as stay within this many rows."""


@dataclass(frozen=True)
class FitFeatures:
    """The features of a fit: those of the train images in each view, and of the valid images as they are."""

    cuts: tuple[int, ...]
    """The cuts whose maps a learner can train on; empty if only the whole backbone's features were computed."""
    train_views: tuple[Features, ...]
    valid: Features
    taps_before: dict[int, bool]
    computed: bool
    graph: Path | None
    """The converted graph whose output `features` are the whole backbone's; None where torch runs the prefix."""
    seconds: float

    def names_at(self, cut: int, last: int) -> tuple[str, ...]:
        """Name the outputs that a learner with this cut reads."""
        if cut == last:
            return (FEATURES,)
        return (f"map_{cut}", f"taps_{cut}") if self.taps_before[cut] else (f"map_{cut}",)

    @property
    def solved_views(self) -> tuple[Features, ...]:
        """What the head is solved on, by view.

        With few images every view improves the solution; with many the plain view alone does as well, sooner.
        """
        return self.train_views[: max(1, SOLVE_ROWS // len(self.train_views[0]))]

    def read_views(self, images: NDArray[np.int64] | None = None) -> list[NDArray[np.float32]]:
        """Read the whole backbone's features (N, F) float32 of the train part in each of `solved_views`.

        With `images`, only those at these positions.
        """
        return [view.take(positions=images).astype(np.float32, copy=False) for view in self.solved_views]

    def read_valid(self) -> NDArray[np.float32]:
        """Read what the head is judged on: the whole backbone's features (N, F) float32 of the valid part."""
        return self.valid.take().astype(np.float32, copy=False)


def address_prefix(
    backbone_name: str, backbone: Backbone, weights: Weights, prefix: Prefix, tapped: Sequence[int], engine: str
) -> str:
    """Return the prefix's address in the store: network, weights, cuts, taps, normalisation, engine."""
    return digest_key(
        {
            "backbone": backbone_name,
            "weights": weights.digest,
            "mean": weights.mean,
            "std": weights.std,
            "cuts": prefix.cuts,
            "features": prefix.features,
            "taps": tapped,
            "pool": backbone.pool,
            "engine": engine,
            **({"grey": backbone.grey} if backbone.grey else {}),
        },
        COMPUTED_BY[engine.split()[0]],
    )


class FrozenPrefix:
    """A network's frozen part with its place in the store: computes what the store lacks, view by view.

    It gives the map at each cut below the last boundary, and always the whole backbone's features, on which the head is
    solved. It is converted and compiled only when something is to be computed, once for each precision.
    """

    def __init__(
        self,
        backbone_name: str,
        backbone: Backbone,
        weights: Weights,
        cuts: Sequence[int],
        size_px: int,
        store: FeatureStore,
        engine: EngineChoice,
        listener: Listener,
        pixels: PlainViews | None = None,
    ) -> None:
        self.cuts = [cut for cut in cuts if 0 < cut < len(backbone.stages)]
        self.store, self.engine, self._pixels = store, engine, pixels
        self._prefix = Prefix(backbone, self.cuts, features=True)
        self._weights, self._size_px, self._listener = weights, size_px, listener
        self._what = f"{backbone_name}, {size_px} px, cut {self.cuts or len(backbone.stages)}"
        self._shapes = self._prefix.output_shapes()
        tapped, every = backbone.tapped, tuple(range(len(backbone.stages) - 1)) if backbone.can_be_cut else ()

        def address(taps: Sequence[int], computed: str) -> str:
            return address_prefix(backbone_name, backbone, weights, self._prefix, taps, computed)

        def list_addresses(precision: Precision) -> tuple[str, ...]:
            # Exact features serve where half precision would; an inspection or a probe that read all taps has cached
            # what a head with fewer taps needs: the last columns.
            accepted = dict.fromkeys((precision, EXACT))
            return tuple(
                dict.fromkeys(address(taps, f"{engine.name} {one}") for one in accepted for taps in (tapped, every))
            )

        self._backbone, self._parts = backbone, list[FrozenPrefix]()
        if isinstance(backbone, CombinedBackbone) and all(
            one.begin < cut for one in backbone.members for cut in self.cuts
        ):
            for name, member, own in zip(split_backbone(backbone_name), backbone.members, weights.parts, strict=False):
                own_cuts = [cut - member.begin for cut in self.cuts]
                self._parts.append(
                    FrozenPrefix(name, member.backbone, own, own_cuts, size_px, store, engine, listener, pixels)
                )
        self._addresses = {one: list_addresses(one) for one in dict.fromkeys((EXACT, engine.half or EXACT))}
        self._graph_name = f"{address(tapped, engine.name)}-{size_px}-{GRAPH_FORMAT}.xml"
        self._built: dict[Precision, Forward] = {}
        self._tried: set[Precision] = set()
        self.planned_images: dict[Precision, int] = {}
        """How many images are about to be computed, by precision."""

    @property
    def address(self) -> str:
        """Its address in the store, computed exactly."""
        return self._addresses[EXACT][0]

    @functools.cached_property
    def graph(self) -> Path | None:
        """Where the converted graph is, or will be; None where nothing can be written."""
        return self.store.place_graph(self._graph_name) if self.engine.name == "openvino" else None

    def find(
        self,
        paths: Sequence[str],
        digests: Sequence[str],
        view: View,
        precision: Precision = EXACT,
        dtype: str = "float16",
    ) -> Lookup:
        """Find the cached features of the images in a view, to be returned as `dtype`."""
        columns = {name: Column(shape, dtype) for name, shape in self._shapes.items()}
        lookup = find_features(self.store, self._addresses[precision], view, paths, digests, columns)
        if lookup.missing and self._parts and isinstance(self._backbone, CombinedBackbone):
            lacking = list(lookup.missing.values()), list(lookup.missing)
            parts = [part.find(*lacking, view, precision, dtype) for part in self._parts]
            lookup = join_lookups(self._backbone, lookup, parts)
        self.store.tell(self._listener)
        return lookup

    def extract(self, lookup: Lookup, view: View, task: str, precision: Precision = EXACT) -> Features:
        """Return the features of the images looked up, computing the missing ones; raises OSError without room."""
        seen = f"view {view.number} of {view.profile.name}" if view.profile else "as is"
        features = extract_features(
            self.store,
            self._addresses[precision][0],
            view,
            lookup,
            lambda: self.build_forward(precision, self.planned_images.get(precision, 0)),
            self._listener,
            task,
            f"{self._what}, {view.fit}, {seen}",
            self._pixels,
            compute=self._find_workers(lookup, view, precision),
        )
        self.store.tell(self._listener)
        return features

    def _find_workers(self, lookup: Lookup, view: View, precision: Precision) -> Compute | None:
        """Find who computes the missing features elsewhere; None where this process does."""
        workers = self.store.workers
        if workers is None or not workers.takes(len(lookup.missing)):
            return None
        forward, graph = self.build_forward(precision), self.graph  # converts the graph, if it has to be
        mean, std = (tuple(values) for values in (self._weights.mean, self._weights.std))
        parts = ForwardParts(
            f"{self._addresses[precision][0]} {precision} {self._size_px}",
            graph if forward.engine == "openvino" and graph is not None and graph.is_file() else None,
            self._prefix,
            tuple(self._prefix.output_names()),
            self._size_px,
            mean,
            std,
            precision,
        )
        return lambda items: workers.compute(parts, view, items, lookup.columns)

    def build_forward(self, precision: Precision = EXACT, images: int = 0) -> Forward:
        """Convert and compile the prefix, once for each precision, and once more before many images."""
        many = images >= TRIAL_IMAGES and precision not in self._tried
        if precision not in self._built or many:
            self._tried |= {precision} if many else set()
            names, weights = self._prefix.output_names(), self._weights
            # What OpenVINO could not convert once is not tried, and told of, again.
            name = next((forward.engine for forward in self._built.values()), self.engine.name)
            self._built.pop(precision, None)  # not two of them in memory
            with reporting(self._listener, COMPILING):
                self._built[precision] = build_forward(
                    replace(self.engine, name=name, precision=precision),
                    self._prefix,
                    names,
                    self._size_px,
                    weights.mean,
                    weights.std,
                    self.graph,
                    self._listener,
                    images,
                )
        return self._built[precision]


def keep_prefix(
    frozen: FrozenPrefix,
    backbone: Backbone,
    views: Sequence[View],
    train: Sample,
    valid: Sample,
    precision: Precision,
    listener: Listener,
    processes: Processes = ALONE,
) -> FitFeatures | None:
    """Compute and cache the prefix's features, or find them in the cache; None, after one line, if they fit nowhere.

    Training images are computed in `precision` and cached in half precision; held-out images are always computed and
    cached in float32, as the finished model computes them.
    """
    began = time.perf_counter()
    plain = plain_view(views[0])

    def find() -> list[Lookup]:
        of_valid = frozen.find(valid.paths, valid.digests, plain, dtype="float32")
        return [of_valid, *(frozen.find(train.paths, train.digests, view, precision) for view in views)]

    extract = [partial(frozen.extract, view=plain, task="frozen layers, valid part", precision=EXACT)]
    for number, view in enumerate(views):
        task = f"frozen layers, view {number + 1} of {len(views)}"
        extract.append(partial(frozen.extract, view=view, task=task, precision=precision))
    lookups = find()
    has_room = reserve_room(frozen.store, lookups, listener)
    if not agree_on_room(frozen.store, has_room, processes, listener):
        return None
    is_computed = any(lookup.missing for lookup in lookups)
    for lookup, one in zip(lookups, (EXACT, *[precision] * len(views)), strict=True):
        frozen.planned_images[one] = frozen.planned_images.get(one, 0) + len(lookup.missing)
    try:
        if not processes.is_alone:
            lookups = extract_parts(lookups, extract, find, processes, frozen.store.workers is not None)
        of_valid, *of_views = (run(lookup) for run, lookup in zip(extract, lookups, strict=True))
    except OSError as error:
        frozen.store.tell(listener)
        listener.warn(f"no room for the frozen layers' features ({error.strerror}): they are recomputed each epoch")
        return None
    return FitFeatures(
        cuts=(*frozen.cuts, len(backbone.stages)),
        train_views=tuple(of_views),
        valid=of_valid,
        taps_before={cut: any(tap < cut for tap in backbone.tapped) for cut in frozen.cuts},
        computed=is_computed,
        graph=frozen.graph if frozen.graph is not None and frozen.graph.is_file() else None,
        seconds=time.perf_counter() - began,
    )
