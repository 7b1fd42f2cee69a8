"""A call of the API leaves the random state of the caller's process as it found it."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def keeping_random_state() -> Iterator[None]:
    """Put back, however the block ends, what Python, NumPy and torch draw from, and cuDNN's flags.

    A fit seeds them (`train.seed`), and every network that is built draws from torch's. Where torch was not loaded
    before the block, it is left as if freshly loaded. Also a decorator of functions.
    """
    import numpy as np

    python, numpy, torch_before = random.getstate(), np.random.get_state(), _read_torch()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        _restore_torch(torch_before)


def _read_torch() -> dict[str, Any]:
    """Return the state of what torch has loaded; empty where torch is not loaded."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return {}
    cudnn = torch.backends.cudnn
    return {
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None,
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        "cudnn": (cudnn.deterministic, cudnn.benchmark),
    }


def _restore_torch(before: dict[str, Any]) -> None:
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return
    torch.seed()  # seeded at random, as torch starts; so is a GPU when it is first used
    if "cpu" in before:
        torch.set_rng_state(before["cpu"])
    if before.get("cuda") is not None:
        torch.cuda.set_rng_state_all(before["cuda"])
    if before.get("mps") is not None:
        torch.mps.set_rng_state(before["mps"])
    cudnn = torch.backends.cudnn
    cudnn.deterministic, cudnn.benchmark = before.get("cudnn", (False, False))
