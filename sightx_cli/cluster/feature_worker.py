"""Workers that Ray starts on its nodes to compute features: each holds a compiled prefix and reads images itself."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli.data.readers import ImageFileError
from sightx_cli.engine.interface import Forward, Precision, choose_batch
from sightx_cli.features.shards import Array, Columns, convert
from sightx_cli.features.views import View, read_batches
from sightx_cli.features.workers import ForwardParts, Item
from sightx_cli.machine import limit_threads

GRAPH = "graph.xml"


@dataclass(frozen=True)
class PackedForward:
    """A prefix as it travels: the files of its graph, or the torch module itself."""

    files: Mapping[str, bytes]
    module: Any
    output_names: tuple[str, ...]
    size_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    precision: Precision


def pack_forward(parts: ForwardParts) -> PackedForward:
    """Pack what a forward is made of; raises OSError where its graph cannot be read."""
    files, module = {}, parts.module
    if parts.graph is not None:
        files = {GRAPH: parts.graph.read_bytes(), "graph.bin": parts.graph.with_suffix(".bin").read_bytes()}
        module = None
    return PackedForward(files, module, parts.output_names, parts.size_px, parts.mean, parts.std, parts.precision)


def compile_packed(packed: PackedForward, device: str) -> Forward:
    """Compile a packed forward."""
    if packed.files:
        from sightx_cli.engine.openvino_forward import load_openvino

        with tempfile.TemporaryDirectory(prefix="sightx-graph-") as folder:
            for name, content in packed.files.items():
                (Path(folder) / name).write_bytes(content)
            return load_openvino(Path(folder) / GRAPH, batch=choose_batch(packed.size_px), precision=packed.precision)
    from sightx_cli.engine.torch_forward import TorchForward

    return TorchForward(
        packed.module, packed.output_names, packed.size_px, packed.mean, packed.std, device, packed.precision
    )


class FeatureWorker:
    """Computes the features of images in a view."""

    def __init__(self, packed: PackedForward, threads: int, device: str) -> None:
        limit_threads(threads)
        self._forward = compile_packed(packed, device)

    def compute(
        self, first: int, view: View, items: Sequence[Item], columns: Columns
    ) -> tuple[int, dict[str, Array], str, str]:
        """Return the position that was given, and the outputs of some images in the columns' types.

        Or none, what is wrong with an image, and what to do about it.
        """
        outputs: dict[str, Array] = {
            name: np.empty((len(items), *one.shape), np.dtype(one.dtype)) for name, one in columns.items()
        }
        try:
            for place, computed in self._forward.run(read_batches(items, view, self._forward.batch_images)):
                for name, array in outputs.items():
                    rows = convert(computed[name], array.dtype)
                    array[place : place + len(rows)] = rows
        except (ImageFileError, OSError) as error:
            return first, {}, str(error), getattr(error, "hint", "")
        return first, outputs, "", ""
