"""What is held against each image where it is judged whether a change of a model pays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sightx_cli.metrics.registry import LOSS, QUADRATIC_KAPPA
from sightx_cli.task.task import Task
from sightx_cli.task.temperature import fit_temperature

DISTANCE = "squared distance of grades"
"""What quadratic kappa counts. On retina grades tuning lowers it where the log loss rises: in two outer folds kappa was
0.807 → 0.870 and 0.798 → 0.828, the log loss 0.837 → 0.880 and 0.959 → 0.975."""


def name_judged(metric: str) -> str:
    """Name what is held against each image where a metric chooses."""
    return DISTANCE if metric == QUADRATIC_KAPPA.name else LOSS.title


def measure_judged_losses(
    task: Task, metric: str, probabilities: NDArray[np.float32], targets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Measure it for each image, (N,), by its probabilities (N, C).

    A log loss is measured at the temperature that suits them best, as a finished model's is: a network that has seen
    its training images often is surer than it may be, which says nothing of what it tells apart.
    """
    if metric == QUADRATIC_KAPPA.name:
        return np.asarray((task.decide(probabilities) - targets) ** 2, np.float64)
    tempered = task.temper(probabilities, fit_temperature(task, probabilities, targets))
    return np.asarray(task.measure_losses(tempered.astype(np.float64), targets), np.float64)
