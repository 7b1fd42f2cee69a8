"""Which images a report shows: of each cell of the confusion matrix, the worst mistakes, the least sure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

MISTAKES, LEAST_SURE = 24, 12
"""The most mistakes, and the most images that the model is least sure of."""
OF_A_CELL, ALL_CELLS = 12, 240
"""The most images of one cell, and about the most of all cells: the report stays small enough to send."""
CELLS = 60
"""The most cells with images: of very many classes the largest confusions."""


def choose_pictures(task: Task, part: pd.DataFrame, probabilities: NDArray[np.float32]) -> dict[str, Any]:
    """Choose the images of a part (columns image, label, group) that its report shows, each with what was said of it.

    Of each cell come first the images whose true label has the least probability. `missed` and `alarms` take the place
    of cells where an image may have several labels.
    """
    targets = task.number(part["label"].tolist())
    losses = task.measure_losses(probabilities.astype(np.float64), targets)
    order = np.argsort(-losses, kind="stable").tolist()
    rows = [task.fill_row(row) for row in probabilities]
    images, labels, groups = (part[name].tolist() for name in ("image", "label", "group"))
    differs = np.asarray(task.decide(probabilities) != targets).reshape(len(part), -1)
    is_wrong = np.asarray(differs.any(axis=1))

    def show(place: int) -> dict[str, Any]:
        row = rows[place]
        said = {"image": images[place], "label": labels[place], "prediction": row[task.columns[0]]}
        said["group"] = groups[place]
        if isinstance(task, MultiLabel):
            return said | {"loss": round(float(losses[place]), 4)}
        own = row.get(f"p_{labels[place]}")
        return said | {"confidence": _round(row["confidence"]), "probability_of_label": _round(own)}

    margins = task.measure_margins(probabilities)
    unsure = np.argsort(margins, kind="stable").tolist()[:LEAST_SURE]
    worst = [place for place in order if is_wrong[place]][:MISTAKES]
    found: dict[str, Any] = {
        "worst": [show(place) for place in worst],
        "least_sure": [show(place) for place in unsure],
    }
    if isinstance(task, MultiLabel):
        return found | {"labels": _list_label_faults(task, probabilities, targets, images)}
    cells: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place in order:
        cells[labels[place], rows[place][task.columns[0]]].append(place)
    largest = sorted(cells, key=lambda cell: (cell[0] == cell[1], -len(cells[cell])))[:CELLS]
    most = int(np.clip(ALL_CELLS // max(len(largest), 1), 2, OF_A_CELL))
    kept = [
        {
            "label": cell[0],
            "prediction": cell[1],
            "count": len(cells[cell]),
            "images": list(map(show, cells[cell][:most])),
        }
        for cell in largest
    ]
    return found | {"cells": kept}


def _list_label_faults(
    task: MultiLabel, probabilities: NDArray[np.float32], targets: NDArray[np.int64], images: Sequence[str]
) -> list[dict[str, Any]]:
    """List of each label the images in which it is missed, and those in which it is a false alarm, the worst first."""
    decided, found = task.decide(probabilities), list[dict[str, Any]]()
    for number, name in enumerate(task.classes):
        scores = probabilities[:, number]
        for kind, true, order in (("missed", 1, scores), ("false alarm", 0, -scores)):
            places = np.flatnonzero((targets[:, number] == true) & (decided[:, number] != true))
            if len(places):
                ranked = places[np.argsort(order[places], kind="stable")]
                shown = [{"image": images[place], "probability": _round(scores[place])} for place in ranked[:OF_A_CELL]]
                found.append({"label": name, "kind": kind, "count": len(places), "images": shown})
    most = int(np.clip(ALL_CELLS // max(len(found), 1), 2, OF_A_CELL))
    ranked_faults = sorted(found, key=lambda one: -int(one["count"]))[:CELLS]
    return [{**one, "images": one["images"][:most]} for one in ranked_faults]


def _round(value: object) -> float | None:
    return None if value is None else round(float(str(value)), 4)
