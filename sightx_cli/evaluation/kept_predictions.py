"""The predictions that are kept: one row for each image, with its label, its group and every probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli import runs
from sightx_cli.bundle.chosen_threshold import NEGATIVE, POSITIVE, Decision, decides_class
from sightx_cli.bundle.table import DECISION, STATUS
from sightx_cli.bundle.table_writers import write_csv
from sightx_cli.data.tables import read_table
from sightx_cli.errors import DataError, RunError
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

OWN = ("image", "label", "group")
DIGEST = "digest"


@dataclass(frozen=True)
class KeptPredictions:
    """Probabilities (N, C) of images that the model did not learn from, their targets, and their groups."""

    images: tuple[str, ...]
    targets: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    together: tuple[str, ...]
    source: str
    """Where they are from, in words: "the valid part", "out of fold"."""
    digests: tuple[str, ...] = ()
    """What tells each image again, of the bytes of its file: "" where that is not kept, () where none is."""


def write_predictions(
    path: Path,
    frame: pd.DataFrame,
    probabilities: NDArray[np.float32],
    task: Task,
    statuses: Sequence[str] | None = None,
    decision: Decision | None = None,
    digests: Sequence[str] | None = None,
) -> None:
    """Write one row for each image of a frame (columns image, label, group), whole or not at all.

    `statuses` says of each whether its prediction is sure. A `decision` that does not settle the prediction itself has
    a column of its own, as in the table of `predict`. `digests` tell the images again; those of a fit are in its
    `split.csv`.
    """
    has_column = decision is not None and not decides_class(decision, task)
    said = decision.find_positive(probabilities, task) if decision is not None and has_column else ()
    columns = [*OWN, *task.columns, *([STATUS] if statuses is not None else []), *([DECISION] if has_column else [])]
    columns += [] if digests is None else [DIGEST]
    told = zip(frame["image"], frame["label"], frame["group"], probabilities, strict=True)
    rows = (
        {"image": image, "label": label, "group": group, **task.fill_row(row)}
        | ({} if statuses is None else {STATUS: statuses[place]})
        | ({DECISION: POSITIVE if said[place] else NEGATIVE} if has_column else {})
        | ({} if digests is None else {DIGEST: digests[place]})
        for place, (image, label, group, row) in enumerate(told)
    )
    runs.write_file(path, lambda aside: write_csv(aside, columns, rows))


def read_predictions(path: Path, task: Task, source: str) -> KeptPredictions:
    """Read what `write_predictions` wrote; raises RunError for a file that is missing or damaged."""
    try:
        frame = read_table(path).frame
        columns = [f"p_{name}" for name in task.classes]
        probabilities = frame[columns].to_numpy().astype(np.float32)
        groups = frame["group"].tolist() if "group" in frame.columns else [""] * len(frame)
        digests = tuple(frame[DIGEST]) if DIGEST in frame.columns else ()
        targets = task.number(frame["label"].tolist())
    except (DataError, KeyError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error})", "fit again, or name another run with --model") from error
    return KeptPredictions(tuple(frame["image"]), targets, probabilities, tuple(groups), source, digests)
