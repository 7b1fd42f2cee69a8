"""What is fitted to a finished model's probabilities: its temperature, thresholds of labels, and conformal sets.

All of it is fitted on images that the model did not learn from. Where the finished model is the cross-validated head
these are the training images, out of fold; else they are the valid part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli.bundle.facts import Sets
from sightx_cli.data.splits import join_groups
from sightx_cli.metrics.conformal import LEVELS, choose_level, find_unsure, measure_floors
from sightx_cli.progress import Listener, Notice
from sightx_cli.recipe.stage_titles import SOLVED
from sightx_cli.results.calibration import OUT_OF_FOLD, VALID, Abstention, Calibration
from sightx_cli.task.stratification import number_together
from sightx_cli.task.task import Task
from sightx_cli.task.temperature import FEWEST_IMAGES, fit_temperature

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.steps.crossvalidation import Validated
    from sightx_cli.steps.preparation import Preparation
    from sightx_cli.train.state import Session

CROSS_FITS = 5
"""The temperature is judged on each fifth of the valid part by one fitted on the others."""

SHOWN_FIGURES = ("loss", "brier", "calibration_error", "calibration_slope", "calibration_intercept")
"""The figures that a temperature changes."""

SHOWN_CLASSES = 5


@dataclass(frozen=True)
class Unlearned:
    """Probabilities (N, C) of images that the finished model, or its like, did not learn from."""

    probabilities: NDArray[np.float32]
    targets: NDArray[np.int64]
    together: list[str]
    """What belongs together: each image's group or twin, "" for none."""
    on: str


@dataclass(frozen=True)
class Settled:
    """What prediction needs beside the network, and what the run tells of it."""

    task: Task
    """With its thresholds, where it has any."""
    temperature: float = 1.0
    sets: Sets | None = None
    judged: NDArray[np.float32] | None = None
    """(N, C): what the finished model says of the valid part; None where its best epoch was not kept."""
    calibration: Calibration | None = None
    abstention: Abstention | None = None


def settle_decisions(
    preparation: Preparation, session: Session, validated: Validated | None, listener: Listener
) -> Settled:
    """Fit temperature, thresholds and sets in this order, each on what the one before gives, and say what came out."""
    task, before = session.task, session.best.probabilities
    if before is None:
        return Settled(task)
    of_valid = collect(before, preparation.part("valid"), task, VALID)
    known = of_valid
    if validated is not None and session.best.stage == SOLVED:
        chosen = (validated.rows["split"] == "train").to_numpy()
        known = collect(validated.cross.probabilities[chosen], validated.rows[chosen], task, OUT_OF_FOLD)
    temperature = fit_temperature(task, known.probabilities, known.targets)
    judged = task.temper(before, temperature)
    task = task.settle(judged, of_valid.targets)
    if said := task.describe_thresholds():
        listener.notice(Notice("thresholds", said, task.outputs))
    calibration = measure_calibration(task, of_valid, known, temperature)
    if not calibration.fitted_on:
        said = f"only {len(known.targets)} images to measure probabilities on: they stay as they are"
        listener.notice(Notice("uncalibrated", said, len(known.targets)))
    sets, pooled = measure_sets(task, task.temper(known.probabilities, temperature), known)
    if sets is None:
        said = f"only {len(known.targets)} images to measure on when a prediction is unsure: predict will not say it"
        listener.notice(Notice("no-status", said, len(known.targets)))
        return Settled(
            task, temperature, None, judged, calibration, Abstention(None, known.on, 0, (), None, 0, 0, None)
        )
    sets = replace(sets, shares=list_shares(session))
    if pooled:
        listener.notice(Notice("few-to-be-sure-by", describe_pooled(pooled, sets.level), len(pooled)))
    claims, decided = task.list_claims(judged), task.mark_claims(task.decide(judged))
    unsure = int(find_unsure(claims, decided, sets.floors[f"{sets.level:g}"]).sum())
    abstention = Abstention(sets.level, known.on, sets.images, pooled, unsure, 0, 0, None)
    return Settled(task, temperature, sets, judged, calibration, abstention)


def describe_pooled(classes: Sequence[str], level: float) -> str:
    """Say of which classes there were too few images to measure their sets by."""
    more = len(classes) - SHOWN_CLASSES
    shown = ", ".join(classes[:SHOWN_CLASSES]) + (f" and {more:,} more" if more > 0 else "")
    return (
        f"too few images of {shown} to measure, at a level of {level:.0%}, when a prediction is unsure: measured on "
        "all classes together"
    )


def collect(probabilities: NDArray[np.float32], rows: pd.DataFrame, task: Task, on: str) -> Unlearned:
    """Collect the probabilities of a table's rows with what they are held against."""
    together = join_groups(rows["group"].tolist(), rows["digest"].tolist())
    return Unlearned(probabilities, task.number(rows["label"].tolist()), together, on)


def measure_calibration(task: Task, of_valid: Unlearned, known: Unlearned, temperature: float) -> Calibration:
    """Measure what a temperature changes on the valid part: cross-fitted, where it was fitted on that part."""
    is_fitted, is_same = len(known.targets) >= FEWEST_IMAGES, known is of_valid
    tempered = (
        cross_temper(task, of_valid) if is_fitted and is_same else task.temper(of_valid.probabilities, temperature)
    )
    before, after = (
        list_shown(task.measure_figures(one, of_valid.targets)) for one in (of_valid.probabilities, tempered)
    )
    return Calibration(
        temperature, known.on if is_fitted else "", len(known.targets), before, after, is_fitted and is_same
    )


def list_shown(figures: Mapping[str, float | None]) -> dict[str, float | None]:
    """List the figures that a temperature changes."""
    return {name: figures[name] for name in SHOWN_FIGURES if name in figures}


def cross_temper(task: Task, known: Unlearned) -> NDArray[np.float32]:
    """Temper each fifth of the groups by what is fitted on the others, however few these are, (N, C)."""
    fold_of = divide_groups(known.together, CROSS_FITS)
    tempered = known.probabilities.copy()
    for fold in range(CROSS_FITS):
        here = fold_of == fold
        temperature = fit_temperature(task, known.probabilities[~here], known.targets[~here], fewest=1)
        tempered[here] = task.temper(known.probabilities[here], temperature)
    return tempered


def divide_groups(together: Sequence[str], folds: int) -> NDArray[np.int64]:
    """Divide images into folds at random, each group whole, (N,)."""
    units = number_together(together)
    places = np.unique(units, return_inverse=True)[1]
    drawn = np.random.default_rng(0).permutation(int(places.max()) + 1)
    return np.asarray(drawn[places] % folds)


def list_shares(session: Session) -> tuple[float, ...]:
    """List the share of each class in the training images, if the model learned as if all had the same; else none."""
    targets = session.train.targets
    if targets.ndim > 1 or (session.recipe.training.class_weights == "none" and session.offsets is None):
        return ()
    weights = session.task.weigh_classes(targets)
    return tuple((1 / weights / (1 / weights).sum()).round(6).tolist())


def measure_sets(
    task: Task, probabilities: NDArray[np.float32], known: Unlearned
) -> tuple[Sets | None, tuple[str, ...]]:
    """Measure conformal sets on tempered probabilities, and name the classes of too few images for their level.

    None where there are too few images for any level.
    """
    claims, truth = task.list_claims(probabilities), task.mark_claims(known.targets)
    level = choose_level(task.mark_claims(task.decide(probabilities)), truth)
    if level is None:
        return None, ()
    found = {one: measure_floors(claims, truth, one) for one in LEVELS}
    pooled = dict.fromkeys(task.classes[place % task.outputs] for place in found[level].pooled)
    floors = {f"{one:g}": each.floors for one, each in found.items()}
    return Sets(level, floors, known.on, len(probabilities)), tuple(pooled)
