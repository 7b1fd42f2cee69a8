"""The earlier run against the new one, on the images of today's valid part that neither was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sightx_cli.bundle.predictor import load_predictor
from sightx_cli.data.folders import natural_key
from sightx_cli.errors import quote
from sightx_cli.evaluation.part_figures import list_units
from sightx_cli.metrics.figures import is_better
from sightx_cli.metrics.registry import LOSS, find_title
from sightx_cli.metrics.units import name_units
from sightx_cli.progress import Listener, Notice
from sightx_cli.recipe.stage_titles import CARRIED
from sightx_cli.results.retrain import ComparedFigures, KeptModel, Retraining
from sightx_cli.steps.earlier_run import KIND, EarlierRun
from sightx_cli.steps.evaluation import predict_rows
from sightx_cli.task.shared_answers import SharedAnswers, SharedClasses, find_shared_classes, share_answers

if TYPE_CHECKING:
    import pandas as pd

    from sightx_cli.metrics.paired import PairedDifference
    from sightx_cli.steps.preparation import Preparation
    from sightx_cli.task.task import Task
    from sightx_cli.train.state import Session


def compare_with_earlier(preparation: Preparation, made: Path, metric: str, listener: Listener) -> Retraining | None:
    """Measure the bundles of the earlier run and of the one just made on the same images, and say which is better.

    Both answer as `sightx predict` does. Returns None where the fit starts from no run.
    """
    earlier, change = preparation.earlier, preparation.change
    if earlier is None or change is None:
        return None
    valid = preparation.part("valid")
    unseen = valid[~np.array(earlier.known.list_trained(valid), bool)]
    now = load_predictor(made)
    shared = share_classes(earlier, now.facts.task, unseen)
    rows = unseen[shared.rows]
    if not len(rows):
        what = "was trained on by it, or is of a new class" if len(valid) else "is left"
        text = f"nothing is compared with {earlier.shown}: every validation image {what}"
        listener.notice(Notice(KIND, text, len(valid), warns=True))
        return change
    if len(rows) < len(valid):
        text = (
            f"{len(rows):,} of the {len(valid):,} validation images are compared with {earlier.shown}: it was trained "
            "on the others, or does not know their class"
        )
        listener.notice(Notice(KIND, text, len(rows)))
    then, today = (
        share_answers(one.facts.task, predict_rows(one, rows, f"comparing: {name}", listener), shared)
        for one, name in ((load_predictor(earlier.folder), "the earlier run"), (now, "the new run"))
    )
    together = list_units(rows)
    before, after = (measure_shared(one, shared, together) for one in (then, today))
    metric = choose_compared_metric(metric, before, after, now.facts.task)
    difference = measure_difference(metric, then, today, shared, together)
    compared = replace(change, compared_on=len(rows), before=before, after=after, metric=metric, difference=difference)
    say_worse(compared, earlier, listener)
    return compared


def share_classes(earlier: EarlierRun, today: Task, rows: pd.DataFrame) -> SharedClasses:
    """Find on which of the images, and which classes, the two are compared."""
    then = earlier.facts.task
    ordered = sorted({*then.classes, *today.classes}, key=natural_key)
    return find_shared_classes(then, today, rows["label"].tolist(), ordered)


def measure_shared(answers: SharedAnswers, shared: SharedClasses, together: Sequence[str]) -> ComparedFigures:
    """Measure one model's figures and their intervals, by group where there are groups."""
    task, probabilities = answers.task, answers.probabilities
    return ComparedFigures(
        task.measure_figures(probabilities, shared.targets),
        task.measure_intervals(probabilities, shared.targets, together),
        name_units(together),
    )


def measure_difference(
    metric: str, then: SharedAnswers, today: SharedAnswers, shared: SharedClasses, together: Sequence[str]
) -> PairedDifference | None:
    """Measure by how much the new run's figure is higher, and whether chance explains it; None where one has none."""
    from sightx_cli.metrics.paired import compare_answers

    first, second = (one.task.check_answers(one.probabilities, shared.targets) for one in (then, today))
    return compare_answers(first, second, today.task.kind, together, [metric]).get(metric)


def choose_compared_metric(metric: str, before: ComparedFigures, after: ComparedFigures, task: Task) -> str:
    """Choose what says which is better: what chose the best epoch, or the headline where either has no such figure."""
    has_both = before.metrics.get(metric) is not None and after.metrics.get(metric) is not None
    return metric if has_both else task.headline.name


def say_worse(compared: Retraining, earlier: EarlierRun, listener: Listener) -> None:
    """Warn where the earlier run is the better one on the same images, and say whether that is more than chance."""
    found, metric = compared.difference, compared.metric
    if found is None or not is_better(metric, found.first, found.second):
        return
    chance = "more than chance explains" if found.is_different else "which chance may explain"
    advice = f"to go on predicting with it: sightx predict --model {quote(earlier.shown)}"
    text = (
        f"{earlier.shown} is better than the new run on the same {compared.compared_on:,} images, {chance}: "
        f"{find_title(metric)} {found.first:.3f} against {found.second:.3f}; {advice}"
    )
    listener.notice(Notice(KIND, text, compared.compared_on, warns=True))


def say_kept(change: Retraining | None, session: Session, listener: Listener) -> Retraining | None:
    """Warn where the best epoch is the earlier run's head, so that nothing of the new images is in the model."""
    if change is None or session.best.stage != CARRIED:
        return change
    metric = session.metric if session.best.figures.get(session.metric) is not None else LOSS.name
    learned = find_best_learned(session.history, metric)
    kept = KeptModel(metric, len(session.valid), session.best.figures.get(metric), learned)
    advice = "look at their labels with sightx inspect, or go on with the earlier run"
    listener.notice(Notice(KIND, f"{kept.describe()}; {advice}", change.images.new, warns=True))
    return replace(change, kept=kept)


def find_best_learned(history: Sequence[Mapping[str, Any]], metric: str) -> float | None:
    """Find the best figure of the history's epochs but that of the earlier run's head; None where there are none."""
    column = "valid_loss" if metric == LOSS.name else metric
    best: float | None = None
    for row in history:
        value = row.get(column)
        if row["stage"] == CARRIED or value is None or not np.isfinite(value):
            continue
        if best is None or is_better(metric, float(value), best):
            best = float(value)
    return best
