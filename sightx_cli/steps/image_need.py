"""Whether more images would help: the learning curve of the train part, by a linear head on the recipe's features."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightx_cli import runs
from sightx_cli.data.splits import join_groups
from sightx_cli.metrics.registry import LOSS, METRICS
from sightx_cli.metrics.units import name_units
from sightx_cli.probe.curve_figures import measure_curve
from sightx_cli.probe.curve_verdict import (
    TOO_FEW,
    UNCLEAR,
    describe_class_gain,
    describe_loss,
    find_class_gain,
    judge_curve,
)
from sightx_cli.probe.folds import assign_folds
from sightx_cli.probe.learning_curve import (
    CURVE_IMAGES,
    DRAWS,
    FEWEST_LEARNED,
    FEWEST_UNITS,
    SHARES,
    learn_shares,
    measure_blind,
    order_nested,
    take_share,
)
from sightx_cli.probe.trials import PROBE_FOLDS, choose_probe_metric
from sightx_cli.progress import Listener, Notice
from sightx_cli.recipe.recipe import Recipe
from sightx_cli.results.learning_curve import LearningCurve
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.train_part import TrainPart
from sightx_cli.task.stratification import number_together
from sightx_cli.task.task import Task

if TYPE_CHECKING:
    import pandas as pd

LEARNING = "learning curve: heads on fewer images"
"""The task as the user sees it."""


def measure_image_need(preparation: Preparation, recipe: Recipe, picture: Path, listener: Listener) -> LearningCurve:
    """Measure the learning curve of the train part with a recipe, and draw it; without a picture where none is.

    The features are those of the plain views, which a fit with this recipe finds again.
    """
    began = time.perf_counter()
    options, task = preparation.options, preparation.task
    train = preparation.part("train")
    rows = limit_images(train, task, options.seed, listener)
    targets = task.number(rows["label"].tolist())
    together = join_groups(rows["group"].tolist(), rows["digest"].tolist())
    if why := find_shortage(task, targets, together):
        return LearningCurve(preparation.metric, len(rows), (), None, None, None, TOO_FEW, None, why)
    part = TrainPart(train, task, recipe, options, preparation.store, preparation.reading, preparation.pixels)
    network = part.open_network(recipe, listener)
    paths = [str(path) for path in rows["path"]]
    features = network.extract(paths, rows["digest"].tolist(), "learning curve: reading the images").rows
    fold_of = assign_folds(task.stratify(rows["label"].tolist()), together, PROBE_FOLDS, options.seed)
    balanced = recipe.training.class_weights == "balanced"
    listener.start(LEARNING, sum(DRAWS), "parts of the images")
    shares = learn_shares(
        features, targets, fold_of, together, task, balanced, options.seed, lambda: listener.advance(LEARNING)
    )
    listener.finish(LEARNING)
    start = measure_curve(METRICS[preparation.metric], shares, fold_of, together)
    reached = None if start is None else float(start.means[-1])
    metric = choose_probe_metric(preparation.metric, {preparation.metric: reached})
    curve = start if metric == preparation.metric else measure_curve(LOSS, shares, fold_of, together)
    assert curve is not None, "the log loss is always known"
    is_saturated = reached is not None and metric != preparation.metric
    judged = judge_curve(curve, len(train), measure_blind(METRICS[metric], task, targets), is_saturated)
    gaining = find_class_gain(task, shares, targets, together)
    said = [judged.sentence]
    if metric != preparation.metric:
        why = "has no value on parts of these images" if reached is None else f"is {reached:.3f} already"
        said.insert(0, f"{METRICS[preparation.metric].title} {why}, so this is about the log loss.")
    if judged.verdict == UNCLEAR and metric != LOSS.name and (loss := measure_curve(LOSS, shares, fold_of, together)):
        said.append(describe_loss(loss))
    if gaining is not None:
        said.append(describe_class_gain(gaining))
    found = LearningCurve(
        metric,
        len(rows),
        curve.points,
        judged.last_step,
        judged.doubling,
        judged.foreseen,
        judged.verdict,
        gaining,
        " ".join(filter(None, said)),
        name_units(together),
        picture,
        round(time.perf_counter() - began, 3),
    )
    from sightx_cli.report.learning_curve_plot import plot_learning_curve

    runs.write_file(picture, lambda aside: plot_learning_curve(found, aside))
    return found


def limit_images(train: pd.DataFrame, task: Task, seed: int, listener: Listener) -> pd.DataFrame:
    """Take CURVE_IMAGES images at most, whole groups of them and each class in its share, and say so."""
    if len(train) <= CURVE_IMAGES:
        return train
    together = join_groups(train["group"].tolist(), train["digest"].tolist())
    order = order_nested(task, task.number(train["label"].tolist()), together, seed)
    taken = np.sort(take_share(order, number_together(together), CURVE_IMAGES / len(train)))
    text = (
        f"learning curve: measured on {len(taken):,} of the {len(train):,} training images, chosen at random with each "
        "class in its share; heads on more would take minutes"
    )
    listener.notice(Notice("learning-curve", text, len(train) - len(taken)))
    return train.iloc[taken]


def find_shortage(task: Task, targets: NDArray[np.int64], together: list[str]) -> str:
    """Say what is lacking for a learning curve, and how many images or groups it takes; "" where nothing is."""
    images, units = len(targets), len(np.unique(number_together(together)))
    part = SHARES[0] * (1 - 1 / PROBE_FOLDS)
    classes = int(task.mark_claims(targets)[:, : len(task.classes)].any(axis=0).sum())
    needed = int(np.ceil(max(FEWEST_LEARNED, classes) / part))
    if images < needed:
        return (
            f"The training part has {images:,} images, too few for a learning curve: it takes {needed:,}, so that a "
            f"fifth of them leaves {max(FEWEST_LEARNED, classes)} to learn from."
        )
    groups = int(np.ceil(FEWEST_UNITS / part))
    if units < groups:
        return (
            f"The training part has {units:,} groups of images, too few for a learning curve: it takes {groups:,}, "
            "since whole groups are learned from or judged on."
        )
    return ""
