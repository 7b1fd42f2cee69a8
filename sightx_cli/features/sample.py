"""The images a fit sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sample:
    """The images a learner sees: their files, digests and targets (see `task`)."""

    paths: Sequence[str]
    digests: Sequence[str]
    targets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.targets)
