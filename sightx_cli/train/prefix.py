"""The frozen prefix of a whole fit: one compiled forward gives every training stage what it needs of the images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sightx_cli.embed.outputs import KeptOutputs, View, estimate_bytes, keep_outputs, plain_view
from sightx_cli.embed.store import OutputStore, digest_key
from sightx_cli.engine.choose import EngineChoice, build_forward
from sightx_cli.engine.interface import Forward
from sightx_cli.model.backbone import Backbone, Prefix
from sightx_cli.model.weights import Weights
from sightx_cli.progress import Listener
from sightx_cli.train.loaders import Sample

GRAPH_VERSION = 1
"""Part of every address: raised when the same network and cut are computed another way than before."""


@dataclass(frozen=True)
class KeptPrefix:
    """What is kept for a fit: the outputs of the train images in each view, and of the valid images as they are."""

    cuts: tuple[int, ...]
    train_views: tuple[KeptOutputs, ...]
    valid: KeptOutputs
    taps_before: dict[int, bool]
    engine: EngineChoice
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


def address_prefix(backbone_name: str, backbone: Backbone, weights: Weights, prefix: Prefix, engine: str) -> str:
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
            "taps": backbone.tapped,
            "pool": backbone.pool,
            "engine": engine,
        }
    )


def keep_prefix(
    backbone_name: str,
    backbone: Backbone,
    weights: Weights,
    cuts: Sequence[int],
    views: Sequence[View],
    train: Sample,
    valid: Sample,
    store: OutputStore,
    engine: EngineChoice,
    listener: Listener,
) -> KeptPrefix | None:
    """Compute and keep the prefix's outputs, or find them kept; None, after one line, when they do not fit.

    The outputs are the map at each cut below the last boundary, and always the whole backbone's features, on which
    the head is solved.
    """
    began = time.perf_counter()
    last = len(backbone.stages)
    inner = [cut for cut in cuts if 0 < cut < last]
    prefix = Prefix(backbone, inner, features=True)
    size_px = views[0].size_px
    shapes = describe_outputs(prefix, size_px)
    needed = estimate_bytes(len(train) * len(views) + len(valid), shapes)
    if not store.has_room(needed):
        listener.warn(
            f"the frozen layers' outputs would take {needed / 1e9:.1f} GB, more than the store's budget or the disk "
            "leaves: they are computed anew each epoch (SIGHTX_CACHE moves the store, SIGHTX_CACHE_BYTES widens it)"
        )
        return None
    address = address_prefix(backbone_name, backbone, weights, prefix, f"{engine.name} {engine.precision}")
    graph = store.graphs / f"{address}-{size_px}.xml"
    built: list[Forward] = []

    def forward() -> Forward:
        if not built:
            built.append(
                build_forward(
                    engine, prefix, prefix.output_names(), size_px, weights.mean, weights.std, graph, listener
                )
            )
        return built[0]

    def keep(sample: Sample, view: View, task: str) -> KeptOutputs:
        what = f"{backbone_name}, {size_px} px, {view.fit}, cut {inner or last}, " + (
            f"view {view.number} of {view.profile.name}" if view.profile else "as is"
        )
        kept = keep_outputs(store, address, view, sample.paths, sample.digests, shapes, forward, listener, task, what)
        for line in store.dropped:
            listener.warn(line)
        store.dropped.clear()
        return kept

    try:
        kept_valid = keep(valid, plain_view(views[0]), "frozen layers, valid part")
        kept_views = tuple(
            keep(train, view, f"frozen layers, view {number + 1} of {len(views)}") for number, view in enumerate(views)
        )
    except OSError as error:
        listener.warn(
            f"the frozen layers' outputs cannot be kept ({error.strerror}): they are computed anew each epoch"
        )
        return None
    taps_before = {cut: any(tap < cut for tap in backbone.tapped) for cut in inner}
    return KeptPrefix(
        cuts=(*inner, last),
        train_views=kept_views,
        valid=kept_valid,
        taps_before=taps_before,
        engine=engine,
        computed=bool(built),
        graph=graph if graph.is_file() else None,
        seconds=time.perf_counter() - began,
    )
