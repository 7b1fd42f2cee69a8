"""The images a fit sees, and the seed it starts from. Imports no fastai: the frozen layers run before it is needed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """The images a learner sees: their files, digests and targets (class numbers)."""

    paths: Sequence[str]
    digests: Sequence[str]
    targets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.targets)


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch, and let cuDNN use only what repeats: same seed, same machine, same numbers."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
