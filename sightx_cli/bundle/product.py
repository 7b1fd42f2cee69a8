"""Write a trained classifier: its weights as safetensors, and its compiled form as a graph."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.engine.interface import FEATURES, PROBABILITIES
from sightx_cli.engine.openvino_forward import read_graph
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    from torch import nn


def write_weights(model: nn.Module, path: Path) -> None:
    """Write a model's tensors as safetensors; raises OSError when the disk is full."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, path)
    except SafetensorError as error:
        raise OSError(errno.ENOSPC, str(error), str(path)) from error
    path.chmod(0o644)  # safetensors makes it private; a run is shared like any folder


def write_probabilities_graph(
    model: nn.Module, task: Task, size_px: int, mean: Sequence[float], std: Sequence[float], path: Path
) -> str:
    """Write the graph from uint8 images (N, size_px, size_px, 3) to the task's probabilities (N, C).

    Returns why there is none where OpenVINO cannot convert the network, else an empty text.
    """
    from sightx_cli.engine.choice import try_to_convert
    from sightx_cli.engine.conversion import write_graph
    from sightx_cli.model.classifier import with_activation

    whole = with_activation(model, task.build_activation())
    graph, reason = try_to_convert(whole, [PROBABILITIES], size_px, mean, std)
    if graph is not None:
        write_graph(graph, path)
    return reason


def write_headed_graph(features_graph: Path, head: nn.Sequential, task: Task, path: Path) -> bool:
    """Write the graph to probabilities from a cached graph to features and a linear head: no conversion is needed.

    Returns whether it did: not if the cached graph is missing or damaged.
    """
    from sightx_cli.engine.conversion import write_graph
    from sightx_cli.engine.headed_graph import append_linear_head
    from sightx_cli.model.head import read_linear_solution

    try:
        graph = read_graph(features_graph)
    except RuntimeError:
        return False
    weight, bias, mean, deviation = read_linear_solution(head)
    write_graph(append_linear_head(graph, FEATURES, weight, bias, mean, deviation, task.activation), path)
    return True
