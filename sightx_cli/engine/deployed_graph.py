"""A bundle's OpenVINO graph made to leave the house: temperature and distance inside, or another graph before it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.engine.headed_graph import ACTIVATIONS
from sightx_cli.engine.interface import FROZEN, PROBABILITIES
from sightx_cli.startup.openvino_parts import openvino

# isort: split
from openvino import opset13 as op


def finish_graph(
    graph: Any, activation: str, temperature: float, familiar: tuple[NDArray[np.float32], int] | None = None
) -> Any:
    """Return a graph that ends with an activation as one whose logits are divided by a temperature before it.

    It gives the probabilities (N, C); with `familiar`, vectors (M, F) of training images and how many neighbours count,
    also the distance of each image from them, (N,) (see `bundle.familiarity`). Raises ValueError for a graph that ends
    otherwise.
    """
    last = graph.outputs[0].get_node().input_value(0).get_node()
    if last.get_type_name().lower() != activation:
        raise ValueError(f"the graph ends with {last.get_type_name()}, not with {activation}")
    logits = op.divide(last.input_value(0), op.constant(np.float32(temperature)))
    ends = {PROBABILITIES: ACTIVATIONS[activation](logits)}
    if familiar is not None:
        frozen = next(output for output in graph.outputs if FROZEN in output.names)
        source = frozen.get_node().input_value(0)
        ends["distance"] = measure_distance(source, *familiar)
        source.get_tensor().set_names(set())
    for name, end in ends.items():
        end.output(0).get_tensor().set_names({name})
    return openvino.Model([op.result(end.output(0)) for end in ends.values()], graph.get_parameters(), "classifier")


def measure_distance(features: Any, vectors: NDArray[np.float32], neighbours: int) -> Any:
    """Add the mean distance of features (N, F), scaled to length 1, to their nearest vectors."""
    length = op.maximum(
        op.sqrt(op.reduce_sum(op.multiply(features, features), 1, True)), op.constant(np.float32(1e-12))
    )
    product = op.matmul(op.divide(features, length), op.constant(vectors), False, True)
    squared = op.subtract(op.constant(np.float32(2)), op.multiply(product, op.constant(np.float32(2))))
    apart = op.sqrt(op.maximum(squared, op.constant(np.float32(0))))
    nearest = op.topk(apart, op.constant(np.int64(neighbours)), 1, "min", "value")
    return op.reduce_mean(nearest.output(0), 1, False)


def put_before(first: Any, second: Any) -> Any:
    """Return a graph that feeds the one output of the first to the one input of the second, which is left as it is."""
    behind = second.clone()
    source = first.outputs[0].get_node().input_value(0)
    for target in behind.inputs[0].get_target_inputs():
        target.replace_source_output(source)
    return openvino.Model(behind.get_results(), first.get_parameters(), "classifier")


def save_graph(graph: Any, path: Path, is_half: bool = False) -> None:
    """Write a graph as `path` (.xml) and .bin in float32, or with its weights in float16.

    Raises OSError when the disk is full, of which OpenVINO says only that its stream failed.
    """
    try:
        openvino.save_model(graph, str(path), compress_to_fp16=is_half)
    except RuntimeError as error:
        raise OSError(errno.ENOSPC, "the graph could not be written", str(path)) from error
