"""The frozen prefix of a whole fit: one compiled forward gives every training stage what it needs of the images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sightx_cli.engine.choice import EngineChoice, build_forward
from sightx_cli.engine.interface import EXACT, Forward, Precision
from sightx_cli.features.outputs import KeptOutputs, View, estimate_bytes, keep_outputs, plain_view
from sightx_cli.features.sample import Sample
from sightx_cli.features.store import OutputStore, digest_key
from sightx_cli.model.backbone import Backbone, Prefix
from sightx_cli.model.weights import Weights
from sightx_cli.progress import Listener

GRAPH_VERSION = 2
"""Part of every address: raised when the same network and cut are computed another way than before."""


@dataclass(frozen=True)
class KeptPrefix:
    """What is kept for a fit: the outputs of the train images in each view, and of the valid images as they are."""

    cuts: tuple[int, ...]
    train_views: tuple[KeptOutputs, ...]
    valid: KeptOutputs
    taps_before: dict[int, bool]
    computed: bool
    graph: Path | None
    """The converted graph whose output `features` are the whole backbone's; None where torch runs the prefix."""
    seconds: float

    def names_at(self, cut: int, last: int) -> tuple[str, ...]:
        """Name the kept outputs that a learner with this cut reads."""
        if cut == last:
            return ("features",)
        return (f"map_{cut}", f"taps_{cut}") if self.taps_before[cut] else (f"map_{cut}",)


def describe_outputs(prefix: Prefix, size_px: int) -> dict[str, tuple[int, ...]]:
    """Return each output's shape per image, by running one empty image."""
    with torch.no_grad():
        outputs = prefix.eval()(torch.zeros(1, 3, size_px, size_px))
    return {name: tuple(o.shape[1:]) for name, o in zip(prefix.output_names(), outputs, strict=True)}


def address_prefix(
    backbone_name: str, backbone: Backbone, weights: Weights, prefix: Prefix, tapped: Sequence[int], engine: str
) -> str:
    """Return the prefix's address in the store: network, weights, cuts, taps, normalisation, engine."""
    return digest_key(
        {
            "graph": GRAPH_VERSION,
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
        }
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
        store: OutputStore,
        engine: EngineChoice,
        listener: Listener,
    ) -> None:
        self.cuts = [cut for cut in cuts if 0 < cut < len(backbone.stages)]
        self.store, self.engine = store, engine
        self._prefix = Prefix(backbone, self.cuts, features=True)
        self._weights, self._size_px, self._listener = weights, size_px, listener
        self._what = f"{backbone_name}, {size_px} px, cut {self.cuts or len(backbone.stages)}"
        self._shapes = describe_outputs(self._prefix, size_px)
        tapped, every = backbone.tapped, tuple(range(len(backbone.stages) - 1)) if backbone.can_be_cut else ()

        def address(taps: Sequence[int], computed: str) -> str:
            return address_prefix(backbone_name, backbone, weights, self._prefix, taps, computed)

        def list_addresses(precision: Precision) -> tuple[str, ...]:
            # What is exact serves where half precision would; a look or a probe that read all taps has kept what a
            # head with fewer needs: its last columns.
            accepted = dict.fromkeys((precision, EXACT))
            return tuple(
                dict.fromkeys(address(taps, f"{engine.name} {one}") for one in accepted for taps in (tapped, every))
            )

        self._addresses = {one: list_addresses(one) for one in dict.fromkeys((EXACT, engine.half or EXACT))}
        self.graph = store.graphs / f"{address(tapped, engine.name)}-{size_px}.xml"
        self._built: dict[Precision, Forward] = {}

    @property
    def computed(self) -> bool:
        """Whether anything had to be computed so far."""
        return bool(self._built)

    def estimate_bytes(self, readings: int) -> int:
        """Return what keeping so many readings takes on disk."""
        return estimate_bytes(readings, self._shapes)

    def keep(
        self, paths: Sequence[str], digests: Sequence[str], view: View, task: str, precision: Precision = EXACT
    ) -> KeptOutputs:
        """Return the outputs of the images in a view, from the store or computed now; raises OSError on a full disk."""
        what = f"{self._what}, {view.fit}, " + (
            f"view {view.number} of {view.profile.name}" if view.profile else "as is"
        )
        own, *others = self._addresses[precision]
        kept = keep_outputs(
            self.store,
            own,
            view,
            paths,
            digests,
            self._shapes,
            lambda: self.build_forward(precision),
            self._listener,
            task,
            what,
            others,
        )
        for line in self.store.dropped:
            self._listener.warn(line)
        self.store.dropped.clear()
        return kept

    def build_forward(self, precision: Precision = EXACT) -> Forward:
        """Convert and compile the prefix, once for each precision."""
        if precision not in self._built:
            names, weights = self._prefix.output_names(), self._weights
            self._built[precision] = build_forward(
                replace(self.engine, precision=precision),
                self._prefix,
                names,
                self._size_px,
                weights.mean,
                weights.std,
                self.graph,
                self._listener,
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
) -> KeptPrefix | None:
    """Compute and keep the prefix's outputs, or find them kept; None, after one line, when they do not fit.

    The images to train on are read in `precision`, those that are measured on always in float32.
    """
    began = time.perf_counter()
    needed = frozen.estimate_bytes(len(train) * len(views) + len(valid))
    if not frozen.store.has_room(needed):
        listener.warn(
            f"the frozen layers' outputs would take {needed / 1e9:.1f} GB, more than the store's budget or the disk "
            "leaves: they are computed anew each epoch (SIGHTX_CACHE moves the store, SIGHTX_CACHE_BYTES widens it)"
        )
        return None
    try:
        kept_valid = frozen.keep(valid.paths, valid.digests, plain_view(views[0]), "frozen layers, valid part")
        kept_views = tuple(
            frozen.keep(
                train.paths, train.digests, view, f"frozen layers, view {number + 1} of {len(views)}", precision
            )
            for number, view in enumerate(views)
        )
    except OSError as error:
        listener.warn(
            f"the frozen layers' outputs cannot be kept ({error.strerror}): they are computed anew each epoch"
        )
        return None
    return KeptPrefix(
        cuts=(*frozen.cuts, len(backbone.stages)),
        train_views=kept_views,
        valid=kept_valid,
        taps_before={cut: any(tap < cut for tap in backbone.tapped) for cut in frozen.cuts},
        computed=frozen.computed,
        graph=frozen.graph if frozen.graph.is_file() else None,
        seconds=time.perf_counter() - began,
    )
