"""Write a trained classifier: its weights as safetensors, and its compiled form as a graph."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from sightx_cli.engine.choose import try_to_convert
from sightx_cli.engine.compose import append_linear_head
from sightx_cli.engine.convert import write_graph
from sightx_cli.engine.interface import PROBABILITIES
from sightx_cli.engine.openvino_forward import read_graph
from sightx_cli.model.backbone import FEATURES
from sightx_cli.model.classifier import with_softmax
from sightx_cli.model.head import FeatureScale


def write_weights(model: nn.Module, path: Path) -> None:
    """Write a model's tensors as safetensors; raises OSError when the disk is full."""
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, path)
    except SafetensorError as error:
        raise OSError(errno.ENOSPC, str(error), str(path)) from error
    path.chmod(0o644)  # safetensors makes it private; a run is shared like any folder


def write_probabilities_graph(
    model: nn.Module, size_px: int, mean: Sequence[float], std: Sequence[float], path: Path
) -> str:
    """Write the graph from uint8 images (N, size_px, size_px, 3) to probabilities (N, classes).

    Returns why there is none where OpenVINO cannot convert the network, else an empty text.
    """
    graph, reason = try_to_convert(with_softmax(model), [PROBABILITIES], size_px, mean, std)
    if graph is not None:
        write_graph(graph, path)
    return reason


def write_headed_graph(features_graph: Path, head: nn.Sequential, path: Path) -> bool:
    """Write the graph to probabilities from a kept graph to features and a linear head: no conversion is needed.

    Returns whether it did: not when the kept graph is missing or damaged.
    """
    try:
        graph = read_graph(features_graph)
    except RuntimeError:
        return False
    scale, linear = head[0], head[-1]
    assert isinstance(scale, FeatureScale)
    assert isinstance(linear, nn.Linear)
    tensors = (linear.weight, linear.bias, scale.mean, scale.deviation)
    weight, bias, mean, deviation = (tensor.detach().cpu().numpy() for tensor in tensors)
    write_graph(append_linear_head(graph, FEATURES, weight, bias, mean, deviation), path)
    return True
