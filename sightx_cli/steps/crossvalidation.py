"""Cross-validation of a fit's head on the features that the fit caches anyway, and its table of predictions."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.bundle.table_writers import write_csv
from sightx_cli.data.splits import join_groups
from sightx_cli.probe.folds import CrossValidation, cross_validate
from sightx_cli.probe.linear_head import describe_choice, measure_most_images
from sightx_cli.progress import Listener, reporting
from sightx_cli.steps.preparation import Preparation
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.train.state import Session


@dataclass(frozen=True)
class Validated:
    """The rows that were divided into folds, in the order of their out-of-fold predictions, and the figures."""

    rows: pd.DataFrame
    cross: CrossValidation
    seconds: float


def validate_head(preparation: Preparation, session: Session, listener: Listener) -> Validated | None:
    """Cross-validate the linear head where folds were made; None where they were not, or nothing frozen is computed."""
    if not preparation.folds:
        return None
    began = time.perf_counter()
    train, valid = preparation.part("train"), preparation.part("valid")
    whole = read_views(session)
    if not whole:
        say = listener.note if preparation.options.folds is None else listener.warn
        say("no cross-validation: it needs the features of a pretrained network, and this fit computes none")
        return None
    import pandas as pd

    rows = pd.concat([train, valid])
    chosen = (rows["fold"] != "").to_numpy()
    rows = rows[chosen]
    features, *views = whole if chosen.all() else [view[chosen] for view in whole]
    most = measure_most_images(features.shape[1], session.task, len(whole))
    learned = len(rows) * (preparation.folds - 1) // preparation.folds
    if most is not None and learned > most:
        listener.warn(f"cross-validation: {describe_choice(most, learned)}")
    with reporting(listener, "cross-validating the linear head"):
        cross = cross_validate(
            features,
            session.task.number(rows["label"].tolist()),
            rows["fold"].to_numpy().astype(np.int64),
            session.task,
            session.recipe.training.class_weights == "balanced",
            join_groups(rows["group"].tolist(), rows["digest"].tolist()),
            preparation.options.seed,
            views,
            most,
        )
    return Validated(rows, cross, time.perf_counter() - began)


def read_views(session: Session) -> list[NDArray[np.float32]]:
    """Return the features (N, F) of the train images, then of the valid ones: the plain view, then augmented ones.

    They are the views that the fit solves its head on, so that what is validated is that head. Valid images have the
    plain view only, which is repeated in each. Empty where nothing frozen is computed.
    """
    if session.features is None:
        return []
    valid = session.features.read_valid()
    return [np.concatenate([view, valid]) for view in session.features.read_views()]


def write_out_of_fold(validated: Validated, task: Task, path: Path, temperature: float = 1.0) -> None:
    """Write one row for each image: its label, what the head that had not seen it says, and every probability.

    Where that head is the finished model, its probabilities are tempered as those of its predictions are.
    """
    images, labels = validated.rows["image"], validated.rows["label"]
    tempered = task.temper(validated.cross.probabilities, temperature)
    rows = (
        {"image": image, "label": label, **task.fill_row(probabilities)}
        for image, label, probabilities in zip(images, labels, tempered, strict=True)
    )
    write_csv(path, ["image", "label", *task.columns], rows)
