"""Append a linear head to a converted graph: the product of a head-only fit needs no second conversion."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.engine.interface import FROZEN, PROBABILITIES
from sightx_cli.startup.openvino_parts import openvino

# isort: split
from openvino import opset13 as op

Vector = NDArray[np.float32]

ACTIVATIONS = {"softmax": lambda logits: op.softmax(logits, 1), "sigmoid": op.sigmoid}
"""The activations from logits (N, C) to probabilities, by the name that a task gives them."""


def append_linear_head(
    graph: Any,
    output_name: str,
    weight: NDArray[np.float32],
    bias: Vector,
    mean: Vector,
    deviation: Vector,
    activation: str,
    shown: int = 0,
) -> Any:
    """Return the graph from images to activation(weight · (features − mean) / deviation + bias), (N, C).

    `graph` gives `output_name`, features (N, F); weight is (C, F), bias (C,), mean and deviation (F,). The
    last `shown` columns of the features are a second output, FROZEN, unless it is 0.
    """
    features = next(output for output in graph.outputs if output_name in output.names)
    # Standardised first, as in training: folded into the weights, large means would cancel and lose precision.
    scaled = op.divide(
        op.subtract(_input_of(features), op.constant(mean.reshape(1, -1))), op.constant(deviation.reshape(1, -1))
    )
    logits = op.add(op.matmul(scaled, op.constant(weight), False, True), op.constant(bias.reshape(1, -1)))
    probabilities = ACTIVATIONS[activation](logits)
    probabilities.output(0).get_tensor().set_names({PROBABILITIES})
    results = [op.result(probabilities.output(0))]
    if shown:
        part, columns = _input_of(features), len(mean)
        if shown < columns:  # a slice of all columns would be taken out again, and its name with it
            part = op.slice(part, *(op.constant([value]) for value in (columns - shown, columns, 1, 1))).output(0)
        part.get_tensor().set_names({FROZEN})
        results.append(op.result(part))
    return openvino.Model(results, graph.get_parameters(), "classifier")


def _input_of(result: Any) -> Any:
    """Return what feeds a graph's output: the node before its Result."""
    return result.get_node().input_value(0)
