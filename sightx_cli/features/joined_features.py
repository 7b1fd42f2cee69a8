"""What is cached of networks one by one, joined to what a backbone of all of them gives: nothing is computed again.

A probe measures networks one by one, and all of them side by side from the same features; a fit that takes them side by
side then finds here what the probe has cached.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sightx_cli.engine.interface import FEATURES
from sightx_cli.features.extraction import Lookup, locate_rows
from sightx_cli.features.shards import Array, Columns, Shard
from sightx_cli.model.combined_backbone import CombinedBackbone

MOST_BYTES = 256 * 1024**2
"""Joined rows are held in memory: of some 6,000 images of two small networks with the map before their last stages.
Beyond that they are computed, and cached, as those of any network."""


def join_lookups(backbone: CombinedBackbone, lookup: Lookup, parts: Sequence[Lookup]) -> Lookup:
    """Add to what was found of a backbone of several networks the images that were found of each network.

    `parts` looked for what `lookup` lacks, one for each network, at the same cuts counted from the end.
    """
    digests = [one for one in lookup.missing if not any(one in part.missing for part in parts)]
    if not digests or len(digests) * sum(column.row_bytes for column in lookup.columns.values()) > MOST_BYTES:
        return lookup
    shard = Shard(tuple(digests), join_rows(backbone, lookup.columns, parts, digests))
    missing = {digest: path for digest, path in lookup.missing.items() if digest not in set(digests)}
    return Lookup(lookup.digests, lookup.columns, (*lookup.shards, shard), missing)


def join_rows(
    backbone: CombinedBackbone, columns: Columns, parts: Sequence[Lookup], digests: Sequence[str]
) -> dict[str, Array]:
    """Join each output of the networks as `model.combined_backbone` lays it out."""
    features = [locate_rows(part.columns, digests, part.shards) for part in parts]
    joined: dict[str, Array] = {}
    for name, column in columns.items():
        kind, _, cut = name.partition("_")
        own = [f"{kind}_{int(cut) - member.begin}" if cut else name for member in backbone.members]
        rows = [one.take(each) for one, each in zip(features, own, strict=True) if each in one.columns]
        if kind == "map":
            joined[name] = np.concatenate([one.reshape(len(digests), -1) for one in rows], axis=1)
            continue
        places = [one for one in backbone.list_columns(None if name == FEATURES else int(cut)) if len(one)]
        joined[name] = np.empty((len(digests), *column.shape), np.dtype(column.dtype))
        for place, one in zip(places, rows, strict=True):
            joined[name][:, place.numpy()] = one
    return joined
