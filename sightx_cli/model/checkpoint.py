"""Reads a weights file into named tensors, however they are nested, without running any code from it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from sightx_cli.errors import WeightsError
from sightx_cli.model.weights_file import Normalisation, is_sensible

DEEPEST = 4
"""How many levels of nested dictionaries are searched: state_dict, model, teacher, backbone, …"""

PLAIN_CLASSES: list[Any] = [argparse.Namespace]
"""Allowed next to the tensors, since it only holds values: MAE, DINO and MoCo save their options in one."""


def read_checkpoint(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors of a .safetensors file, or of a .pth, .pt or .bin with `weights_only=True` (no code runs).

    Tensors in dictionaries inside each other are named by the whole path: `state_dict.module.conv1.weight`. Returns
    with them what the file says of its network's input, for `read_normalisation`: the entries `mean` and `std`, or,
    as JSON, those in the metadata of safetensors. Raises WeightsError.
    """
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as opened:
                metadata = opened.metadata() or {}
            said = {key: json.loads(metadata[key]) for key in ("mean", "std") if key in metadata}
            return load_file(file), said
        with torch.serialization.safe_globals(PLAIN_CLASSES):
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # torch's own message recommends loading it anyway
        raise WeightsError(
            f"--weights {file}: cannot be read as plain weights (it contains more than tensors, and code in a file is "
            "never run)",
            "if you trust it, save only its tensors: torch.save(model.state_dict(), 'weights.pth')",
        ) from error
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(
            f"--weights {file}: cannot be read as plain weights ({reason})",
            "give a .safetensors file, or a .pth that contains only tensors",
        ) from error
    if not isinstance(loaded, Mapping):
        raise WeightsError(f"--weights {file}: contains no state dict", "give a file with named tensors")
    said = {key: loaded[key] for key in ("mean", "std") if key in loaded}
    tensors = {name: tensor for name, tensor in _flatten(loaded) if name not in said}
    if not tensors:
        raise WeightsError(f"--weights {file}: contains no state dict", "give a file with named tensors")
    return tensors, said


def _flatten(part: Mapping[Any, Any], path: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    for key, value in part.items():
        if isinstance(value, Tensor):
            yield f"{path}{key}", value
        elif isinstance(value, Mapping) and depth < DEEPEST:
            yield from _flatten(value, f"{path}{key}.", depth + 1)


def read_normalisation(said: Mapping[str, Any], file: Path) -> Normalisation | None:
    """Return the mean and deviation given in a file, three numbers each on the 0…1 scale; None if it gives none.

    Raises WeightsError if only one is given, or they make no sense.
    """
    mean, std = (_list_numbers(said[key]) if key in said else [] for key in ("mean", "std"))
    if not mean and not std:
        return None
    if not is_sensible(mean, std):
        raise WeightsError(
            f"--weights {file}: says mean {mean} and std {std}",
            "give both or neither, three numbers each on the 0 to 1 scale (or --weights-mean and --weights-std)",
        )
    return tuple(mean), tuple(std)


def _list_numbers(value: Any) -> list[float]:
    try:
        return [float(number) for number in torch.as_tensor(value).flatten().tolist()]
    except (TypeError, ValueError, RuntimeError):
        return [float("nan")]
