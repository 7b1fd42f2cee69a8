"""Runs a compiled forward over images: features of an image in a view, computed once, cached, and found again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.pixels import PlainViews
from sightx_cli.data.reader_processes import Readers
from sightx_cli.engine.interface import FEATURES, Forward, Images, Outputs
from sightx_cli.features.shards import Array, Column, Columns, Shard, Writer, convert
from sightx_cli.features.store import FeatureStore
from sightx_cli.features.view_processes import choose_readers
from sightx_cli.features.views import View, ViewReading, read_batches
from sightx_cli.processes import ALONE, Processes
from sightx_cli.progress import Listener, Silent

Compute = Callable[[Sequence[tuple[str, str]]], Iterable[tuple[int, dict[str, Array]]]]
"""Computes the features of (digest, path) pairs elsewhere: (position of the first, outputs), in any order."""

SHARD_IMAGES = 2048
"""Images per shard: the most that a killed process loses."""
DEVICE_SHARD_IMAGES = 8 * SHARD_IMAGES
"""The same where a device computes ten times as many a second."""


@dataclass(frozen=True)
class Features:
    """The frozen prefix's outputs of some images in one view: row i belongs to image i."""

    columns: Columns
    """The outputs by name, each with the shape of a row and the type it is given in."""
    shards: tuple[Shard, ...]
    shard_of: NDArray[np.int32]
    row_of: NDArray[np.int32]
    computed: bool = False
    """Whether anything had to be computed; False when all was found in the store."""

    def __len__(self) -> int:
        return len(self.row_of)

    def take(self, name: str = FEATURES, positions: NDArray[np.int64] | None = None) -> Array:
        """Return one output of the images at these positions (None: of all), (rows, …) in the output's type."""
        column, places = self.columns[name], slice(None) if positions is None else positions
        shard_of, row_of = self.shard_of[places], self.row_of[places]
        rows = np.empty((len(row_of), *column.shape), np.dtype(column.dtype))
        for number in np.unique(shard_of):
            here = shard_of == number
            rows[here] = convert(self.shards[number].arrays[name][row_of[here]], rows.dtype)
        return rows

    def release(self) -> None:
        """Release the memory pages read so far."""
        for shard in self.shards:
            shard.release()


@dataclass(frozen=True)
class Lookup:
    """What a store holds for the requested images in a view, and what has yet to be computed."""

    digests: Sequence[str]
    columns: Columns
    shards: tuple[Shard, ...]
    missing: Mapping[str, str]
    """The path of each image without stored features, by digest."""

    @property
    def needed_bytes(self) -> int:
        """The size of the missing rows."""
        return len(self.missing) * measure_row(self.columns)

    @property
    def found_bytes(self) -> int:
        """The size of the rows found."""
        return (len(set(self.digests)) - len(self.missing)) * measure_row(self.columns)


def measure_row(columns: Columns) -> int:
    """Return the size of one image's outputs, in bytes."""
    return sum(column.row_bytes for column in columns.values())


def find_features(
    store: FeatureStore,
    addresses: Iterable[str],
    view: View,
    paths: Sequence[str],
    digests: Sequence[str],
    columns: Columns,
) -> Lookup:
    """Find the cached features of the images under any address that serves, narrowed to the requested columns."""
    shards = tuple(
        shard.narrow(columns)
        for address in addresses
        for shard in store.find_shards(address, view.key)
        if shard.serves(columns)
    )
    known = {digest for shard in shards for digest in shard.digests}
    missing = {digest: path for digest, path in zip(digests, paths, strict=True) if digest not in known}
    return Lookup(digests, columns, shards, missing)


def extract_features(
    store: FeatureStore,
    address: str,
    view: View,
    lookup: Lookup,
    forward: Callable[[], Forward],
    listener: Listener,
    task: str,
    what: str,
    pixels: PlainViews | None = None,
    readers: Readers | None = None,
    compute: Compute | None = None,
) -> Features:
    """Return the features of the images looked up; compute those that the store lacks, and cache them under `address`.

    `compute` computes them elsewhere, in place of the forward here, which `forward` builds when it is needed. `readers`
    are chosen by its device where none are given; they go on while what was computed is written. Raises OSError if
    there is no room for them at all;
    nothing half-written stays.
    """
    shards, items = list(lookup.shards), list(lookup.missing.items())

    def keep(part: Sequence[tuple[str, str]], fill: Callable[[Writer], None]) -> None:
        shards.append(store.keep(address, view.key, [digest for digest, _ in part], lookup.columns, what, fill))

    if items and compute is not None:
        listener.start(task, len(items), "images")
        for start in range(0, len(items), SHARD_IMAGES):
            part = items[start : start + SHARD_IMAGES]

            def put(writer: Writer, part: Sequence[tuple[str, str]] = part) -> None:
                put_computed(compute(part), writer.put, listener, task)  # anew, where the disk failed midway

            keep(part, put)
        listener.finish(task)
    elif items:
        compiled = forward()
        readers = choose_readers(compiled, len(items)) if readers is None else readers
        together = SHARD_IMAGES if readers is None else DEVICE_SHARD_IMAGES
        listener.start(task, len(items), "images")
        with closing(ViewReading(items, view, compiled.batch_images, together, pixels, readers)) as reading:
            for start in range(0, len(items), together):

                def fill(writer: Writer, start: int = start) -> None:
                    run_forward(compiled, reading.take(start), writer.put, listener, task)

                keep(items[start : start + together], fill)
        listener.finish(task)
    return locate_rows(lookup.columns, lookup.digests, shards, bool(lookup.missing))


def locate_rows(columns: Columns, digests: Sequence[str], shards: Sequence[Shard], computed: bool = False) -> Features:
    """Return the features of images from the shards that hold them."""
    place = {digest: (s, r) for s, shard in enumerate(shards) for r, digest in enumerate(shard.digests)}
    found = np.array([place[digest] for digest in digests], dtype=np.int32).reshape(-1, 2)
    return Features(columns, tuple(shards), found[:, 0], found[:, 1], computed)


def run_forward(
    forward: Forward,
    batches: Iterable[tuple[int, Images]],
    put: Callable[[int, Outputs], None],
    listener: Listener,
    task: str,
) -> None:
    """Run batches of images through a network; `put` takes the position of each batch's first image and its outputs."""
    for first, outputs in forward.run(batches):
        put(first, outputs)
        listener.advance(task, len(next(iter(outputs.values()))))


def put_computed(
    computed: Iterable[tuple[int, dict[str, Array]]],
    put: Callable[[int, dict[str, Array]], None],
    listener: Listener,
    task: str,
) -> None:
    """Put what was computed elsewhere, as it comes."""
    for first, outputs in computed:
        put(first, outputs)
        listener.advance(task, len(next(iter(outputs.values()))))


def compute_outputs(
    forward: Forward,
    batches: Iterable[tuple[int, Images]],
    images: int,
    listener: Listener | None = None,
    task: str = "",
) -> Outputs:
    """Return a network's outputs for this many images in memory, each (images, …) float32; nothing is cached."""
    arrays: Outputs = {}

    def put(first: int, outputs: Outputs) -> None:
        for name, rows in outputs.items():
            if name not in arrays:
                arrays[name] = np.empty((images, *rows.shape[1:]), rows.dtype)
            arrays[name][first : first + len(rows)] = rows

    run_forward(forward, batches, put, listener or Silent(), task)
    return arrays


def compute_features(
    forward: Forward,
    view: View,
    paths: Sequence[str],
    digests: Sequence[str],
    listener: Listener | None = None,
    task: str = "",
    pixels: PlainViews | None = None,
    processes: Processes = ALONE,
) -> Features:
    """Return the backbone's features of images in a view, (N, F) float32, in memory; nothing is cached.

    Of several processes each computes those of its part of the images.
    """
    listener, items = listener or Silent(), list(zip(digests, paths, strict=True))[processes.cut_span(len(paths))]
    listener.start(task, len(items), "images")
    batches = read_batches(items, view, forward.batch_images, pixels, choose_readers(forward, len(items)))
    outputs = compute_outputs(forward, batches, len(items), listener, task)
    listener.finish(task)
    rows = processes.join_rows(outputs.get(FEATURES, np.empty(0)))
    shard = Shard(tuple(digests), {FEATURES: rows})
    columns = {FEATURES: Column(rows.shape[1:], "float32")}
    return Features(columns, (shard,), np.zeros(len(rows), np.int32), np.arange(len(rows), dtype=np.int32), True)
