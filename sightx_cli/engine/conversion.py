"""From a torch module to an OpenVINO graph with the normalisation inside. Imports torch; running the graph does not."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightx_cli.engine.graph_files import seal_graph
from sightx_cli.engine.openvino_forward import load_core
from sightx_cli.engine.torch_forward import using_few_threads, without_gradients
from sightx_cli.startup.openvino_parts import openvino
from sightx_cli.startup.termination import holding_interrupts

# isort: split
from openvino import Layout, PartialShape, Type
from openvino._offline_transformations import apply_moc_transformations
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from openvino.preprocess import PrePostProcessor

IMAGE_INPUT = "image"


def convert_module(
    module: nn.Module,
    output_names: Sequence[str],
    size_px: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Any:
    """Convert a module of normalised images (N, 3, H, W) to a graph of uint8 images (N, size_px, size_px, 3) RGB.

    `mean` and `std` are those of the weights, on the 0…1 scale. Raises whatever OpenVINO raises if it fails.
    """
    module.eval()
    few = using_few_threads(module, size_px)
    with holding_interrupts(), torch.no_grad(), without_gradients(module), few:
        # A function, not the module: torch would first script each layer of a module, which takes as long as all else.
        # torch's own check would run and trace everything once more. What a cut gives is checked by `model.stages`,
        # the product by `steps.evaluation`.
        example = torch.zeros(2, 3, size_px, size_px)
        traced = torch.jit.trace(lambda images: module(images), example, strict=False, check_trace=False)  # type: ignore[no-untyped-call]
        # Not `openvino.convert_model`: it takes several times as long, and sends telemetry to its makers.
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced)  # named, for it must live as long as the conversion
        graph = frontend.convert(frontend.load(decoder))
    graph.reshape(PartialShape([-1, 3, size_px, size_px]))
    # With the size known, what is computed from it folds to constants: TensorFlow's padding, which timm computes from
    # each map's size, ends in the convolutions. The same to the bit, and a third faster on an Intel Emerald Rapids; as
    # fast on an AMD Zen 5.
    apply_moc_transformations(graph, cf=True, smart_reshape=True)
    for output, name in zip(graph.outputs, output_names, strict=True):
        output.get_tensor().set_names({name})
    graph.inputs[0].get_tensor().set_names({IMAGE_INPUT})
    processor = PrePostProcessor(graph)
    image = processor.input()
    image.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    image.preprocess().convert_element_type(Type.f32)
    image.preprocess().mean([255.0 * value for value in mean]).scale([255.0 * value for value in std])
    image.model().set_layout(Layout("NCHW"))
    return processor.build()


def write_graph(graph: Any, path: Path) -> None:
    """Write a graph as `path` (.xml) and its weights beside it (.bin), in float32 so that nothing is rounded.

    The .bin comes first and both are renamed when whole; checksums reveal a file that has changed. Raises
    OSError when the disk is full, which some versions of OpenVINO do not notice: so it is read again before that.
    """
    partial = path.with_name(f".{os.getpid()}-{path.name}")
    weights = partial.with_suffix(".bin")
    try:
        openvino.save_model(graph, str(partial), compress_to_fp16=False)
        load_core().read_model(str(partial))
        seal_graph(partial)
        weights.replace(path.with_suffix(".bin"))
        partial.replace(path)
    except RuntimeError as error:  # OpenVINO says only that its stream failed, or that a part is missing
        raise OSError(errno.ENOSPC, "the graph could not be written", str(path)) from error
    finally:
        partial.unlink(missing_ok=True)
        weights.unlink(missing_ok=True)
