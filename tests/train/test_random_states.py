"""Random states as tensors: whatever is drawn after they are put back is what was drawn after they were read."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sightx_cli.steps.random_state import keeping_random_state
from sightx_cli.train.random_states import read_random_states, set_random_states


@pytest.fixture(autouse=True)
def own_state() -> Any:
    """The states of the other tests' process stay."""
    with keeping_random_state():
        yield


def draw(loaders: Any = None) -> list[object]:
    """Draw from everything, twice: a second Gauss number of a pair may wait from the first."""
    found: list[object] = []
    for _ in range(2):
        found += [random.random(), random.gauss(0, 1), random.getrandbits(99)]
        found += [np.random.rand(), np.random.normal(), np.random.permutation(9).tolist()]
        found += [torch.rand(3).tolist(), torch.randn(1).tolist(), torch.randperm(9).tolist()]
        found += [loader.rng.random() for loader in loaders.loaders] if loaders else []
    return found


def make_loaders() -> Any:
    return SimpleNamespace(loaders=[SimpleNamespace(rng=random.Random(seed)) for seed in (1, 2)])


@pytest.mark.parametrize("gauss", [False, True], ids=["fresh", "a Gauss number waits"])
def test_what_is_drawn_after_a_way_through_a_file_is_what_was_drawn(tmp_path: Path, gauss: bool) -> None:
    loaders = make_loaders()
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    if gauss:
        random.gauss(0, 1)
        np.random.normal()
        torch.randn(1)
    save_file(read_random_states(loaders), tmp_path / "states.safetensors")
    drawn = draw(loaders)
    assert draw(loaders) != drawn
    other = make_loaders()
    set_random_states(load_file(tmp_path / "states.safetensors"), other)
    assert draw(other) == drawn


def test_reading_the_states_draws_nothing() -> None:
    random.seed(5)
    torch.manual_seed(5)
    np.random.seed(5)
    drawn = draw()
    random.seed(5)
    torch.manual_seed(5)
    np.random.seed(5)
    read_random_states(None)
    assert draw() == drawn


def test_other_tensors_beside_them_are_passed_over() -> None:
    states = read_random_states(None)
    drawn = draw()
    set_random_states({**states, "model.weight": torch.zeros(3)}, None)
    assert draw() == drawn
