"""Write a trained classifier: its weights as safetensors, and its compiled form as a graph."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from sightx_cli.engine.convert import convert_module, write_graph
from sightx_cli.engine.interface import PROBABILITIES


def write_weights(model: nn.Module, path: Path) -> None:
    """Write a model's tensors as safetensors; raises OSError when the disk is full."""
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}, path)
    except SafetensorError as error:
        raise OSError(errno.ENOSPC, str(error), str(path)) from error
    path.chmod(0o644)  # safetensors makes it private; a run is shared like any folder


def write_probabilities_graph(
    model: nn.Module, size_px: int, mean: Sequence[float], std: Sequence[float], path: Path
) -> None:
    """Write the graph from uint8 images (N, size_px, size_px, 3) to probabilities (N, classes)."""
    whole = nn.Sequential(model.cpu().eval(), nn.Softmax(1))
    write_graph(convert_module(whole, [PROBABILITIES], size_px, mean, std), path)
