"""A bundle's OpenVINO graph made to leave the house: its temperature inside, or another graph before it."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli.engine.headed_graph import ACTIVATIONS
from sightx_cli.engine.interface import PROBABILITIES
from sightx_cli.startup.openvino_parts import openvino

# isort: split
from openvino import opset13 as op


def temper_graph(graph: Any, activation: str, temperature: float) -> Any:
    """Return a graph that ends with an activation as one whose logits are divided by a temperature before it.

    It gives the probabilities alone (N, C). Raises ValueError for a graph that ends otherwise.
    """
    last = graph.outputs[0].get_node().input_value(0).get_node()
    if last.get_type_name().lower() != activation:
        raise ValueError(f"the graph ends with {last.get_type_name()}, not with {activation}")
    logits = op.divide(last.input_value(0), op.constant(np.float32(temperature)))
    probabilities = ACTIVATIONS[activation](logits)
    probabilities.output(0).get_tensor().set_names({PROBABILITIES})
    return openvino.Model([op.result(probabilities.output(0))], graph.get_parameters(), "classifier")


def put_before(first: Any, second: Any) -> Any:
    """Return a graph that feeds the one output of the first to the one input of the second, which is left as it is."""
    behind = second.clone()
    source = first.outputs[0].get_node().input_value(0)
    for target in behind.inputs[0].get_target_inputs():
        target.replace_source_output(source)
    return openvino.Model(behind.get_results(), first.get_parameters(), "classifier")


def save_graph(graph: Any, path: Path) -> None:
    """Write a graph as `path` (.xml) and .bin in float32. Raises OSError when the disk is full, of which OpenVINO says
    only that its stream failed."""
    try:
        openvino.save_model(graph, str(path), compress_to_fp16=False)
    except RuntimeError as error:
        raise OSError(errno.ENOSPC, "the graph could not be written", str(path)) from error
