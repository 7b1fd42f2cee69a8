"""Keeps a text under an address in the store of outputs, with its budget, its checksum and its clearing."""

from __future__ import annotations

import zlib

import numpy as np

from sightx_cli.features.store import OutputStore

TEXT = "text"
"""The one output of such a shard: the compressed text's bytes as numbers, which half precision holds exactly."""


def keep_text(store: OutputStore, address: str, text: str, what: str) -> None:
    """Keep a text. Where there is no room for it, it is not kept; raises OSError when the disk fails meanwhile."""
    values = np.frombuffer(zlib.compress(text.encode()), np.uint8).astype(np.float32)
    if store.has_room(2 * len(values)):
        with store.write_shard(address, address, [address], {TEXT: values.shape}, what) as writer:
            writer.put(0, {TEXT: values[None]})


def find_text(store: OutputStore, address: str) -> str | None:
    """Find a text that was kept; None where there is none."""
    for shard in store.find_shards(address, address):
        return zlib.decompress(shard.arrays[TEXT][0].astype(np.uint8).tobytes()).decode()
    return None
