"""A decision by a threshold of one's own: some classes count as positive from a summed probability on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.task.task import Task

POSITIVE, NEGATIVE = "positive", "negative"
ROUNDING = 1e-6
"""Tables hold probabilities with six digits: a threshold read off them still parts the images that it parted there."""


@dataclass(frozen=True)
class Decision:
    """Which classes are positive together, from which probability on, and how that was chosen."""

    positive: tuple[str, ...]
    threshold: float
    chosen: str
    """What it was chosen for: "sensitivity 0.95"."""
    on: str
    """The predictions that it was chosen on: "out of fold", "valid"."""

    def find_positive(self, probabilities: NDArray[Any], task: Task) -> NDArray[np.bool_]:
        """Say for which probabilities (N, C) those of the positive classes reach the threshold together, (N,)."""
        together = probabilities[:, task.number(self.positive)].sum(axis=1, dtype=np.float64)
        return np.asarray(together >= self.threshold - ROUNDING)

    def decide(self, probabilities: NDArray[Any], task: Task) -> NDArray[np.int64]:
        """Return the class of each image, (N,): of two classes by the threshold, of more the likeliest one."""
        if not decides_class(self, task):
            return task.decide(probabilities)
        positive = int(task.number(self.positive)[0])
        return np.where(self.find_positive(probabilities, task), positive, 1 - positive)


def decides_class(decision: Decision | None, task: Task) -> bool:
    """Whether a stored decision settles the prediction itself: of two classes; of more it has a column of its own."""
    return decision is not None and task.outputs == 2


def check_decision(decision: Decision, task: Task) -> None:
    """Raise ValueError where a decision cannot be one of these classes."""
    if task.activation != "softmax":
        raise ValueError(f"decision: found one for {task.describe()}; allowed: null, each label has its own threshold")
    unknown = [name for name in decision.positive if name not in task.classes]
    if unknown or len(set(decision.positive)) < len(decision.positive):
        raise ValueError(
            f"decision.positive: found {', '.join(decision.positive)!r:.80}; allowed: {task.classes}, once"
        )
    if not 0 < len(decision.positive) < task.outputs:
        raise ValueError("decision.positive: allowed: some of the classes, not all")
