"""What remains of a model's answers where it leaves to a person what it is not sure of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.bundle.judgement import SURE, UNFAMILIAR, UNSURE
from sightx_cli.evaluation.part_figures import measure_part
from sightx_cli.results.evaluate import DoubtFigures
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd


def measure_doubts(
    task: Task, frame: pd.DataFrame, probabilities: NDArray[np.float32], statuses: Sequence[str]
) -> DoubtFigures | None:
    """Count the predictions by their status, and measure the sure ones alone; None where no status is known."""
    counts = Counter(statuses)
    if not any(counts[status] for status in (SURE, UNSURE, UNFAMILIAR)):
        return None
    sure = np.array([status == SURE for status in statuses], dtype=bool)
    figures = (
        measure_part(task, frame[sure].reset_index(drop=True), probabilities[sure], int(sure.sum()))
        if sure.any()
        else None
    )
    return DoubtFigures(counts[SURE], counts[UNSURE], counts[UNFAMILIAR], figures)
