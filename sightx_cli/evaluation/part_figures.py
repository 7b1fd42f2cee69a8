"""The figures of some images by a finished model: of a fit's valid and test parts, and of images labelled later."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.splits import join_groups
from sightx_cli.metrics.part_curves import measure_curves
from sightx_cli.metrics.units import name_units
from sightx_cli.results.fit import PartFigures
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd


def measure_part(
    task: Task,
    part: pd.DataFrame,
    probabilities: NDArray[np.float32],
    bundled: int,
    draws: bool = False,
    positives: Sequence[str] = (),
) -> PartFigures:
    """Measure figures, intervals and classes of a part's probabilities (N, C), `bundled` of them the bundle's own.

    `draws` adds the curves that a report draws, the decision curve where `positives` says which classes call for action
    (of two, the second).
    """
    targets, together = task.number(part["label"].tolist()), list_units(part)
    return PartFigures(
        task.measure_figures(probabilities, targets),
        task.measure_intervals(probabilities, targets, together),
        len(part),
        bundled,
        task.measure_classes(probabilities, targets, together),
        name_units(together),
        measure_curves(task.check_answers(probabilities, targets), task.classes, together, positives)
        if draws
        else None,
    )


def list_units(part: pd.DataFrame) -> list[str]:
    """Name what each image is resampled with: its group, merged by files with the same bytes; "" where none is set."""
    together: list[str] = part["group"].tolist()
    return join_groups(together, part["digest"].tolist()) if any(together) else together
