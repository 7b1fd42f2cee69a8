"""The random states of a fit as tensors: Python's, NumPy's, torch's on every device, and those of its loaders."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from sightx_cli.processes import Processes

if TYPE_CHECKING:
    from fastai.data.core import DataLoaders

PREFIX = "random."
"""What the names of these tensors begin with."""


def read_random_states(loaders: DataLoaders | None) -> dict[str, Tensor]:
    """Return the states that everything random in training is drawn from."""
    _, keys, place, has_gauss, gauss = np.random.get_state()
    tensors = {
        "python": _read_python(random.getstate()),
        "numpy": torch.from_numpy(np.array(keys, np.int64)),
        "numpy.rest": torch.tensor([float(place), float(has_gauss), float(gauss)], dtype=torch.float64),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        tensors |= {f"cuda.{number}": state for number, state in enumerate(torch.cuda.get_rng_state_all())}
    if torch.backends.mps.is_available():
        tensors["mps"] = torch.mps.get_rng_state()
    for number, loader in enumerate(loaders.loaders if loaders is not None else ()):
        tensors[f"loader.{number}"] = _read_python(loader.rng.getstate())
    return {PREFIX + name: tensor for name, tensor in tensors.items()}


def set_random_states(tensors: Mapping[str, Tensor], loaders: DataLoaders | None) -> None:
    """Put the states back. On a device that had none, everything is drawn from where its own state is."""
    states = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items() if name.startswith(PREFIX)}
    random.setstate(_write_python(states["python"]))
    place, has_gauss, gauss = states["numpy.rest"].tolist()
    keys = states["numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, int(place), int(has_gauss), gauss))
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            if f"cuda.{number}" in states:
                torch.cuda.set_rng_state(states[f"cuda.{number}"], number)
    if torch.backends.mps.is_available() and "mps" in states:
        torch.mps.set_rng_state(states["mps"])
    for number, loader in enumerate(loaders.loaders if loaders is not None else ()):
        loader.rng.setstate(_write_python(states[f"loader.{number}"]))


def join_random_states(processes: Processes) -> None:
    """Bring what is random to where it is in the first process: all then draw the same batches."""
    if processes.is_alone:
        return
    states = processes.share(read_random_states(None) if processes.is_first else {})
    if not processes.is_first:
        set_random_states(states, None)


def _read_python(state: tuple[Any, ...]) -> Tensor:
    """Return a state of `random.Random` as numbers: its words, then whether a Gauss number waits, and which."""
    _, words, gauss = state
    return torch.tensor([*map(float, words), float(gauss is not None), gauss or 0.0], dtype=torch.float64)


def _write_python(tensor: Tensor) -> tuple[Any, ...]:
    *words, has_gauss, gauss = tensor.tolist()
    return (random.Random.VERSION, tuple(map(int, words)), gauss if has_gauss else None)
