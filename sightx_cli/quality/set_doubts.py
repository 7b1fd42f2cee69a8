"""Doubtful labels where an image may have several: confident learning asks of each label by itself.

cleanlab's multi-label filter (Thyagarajan et al. 2022, arXiv:2211.13895) on the probabilities of a linear head trained
without the image, its duplicates and its group.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sightx_cli.data.folders import natural_key
from sightx_cli.probe.linear_head import calm_threads, choose_strength
from sightx_cli.quality.label_doubts import FOLDS, Doubt, Doubts, project_features
from sightx_cli.task.label_text import count_names, join_labels
from sightx_cli.task.multilabel import MultiLabel
from sightx_cli.task.stratification import divide_evenly, number_together


def find_set_doubts(
    features: NDArray[np.float32], given: Sequence[str], separator: str, groups: Sequence[str], seed: int = 0
) -> Doubts:
    """Find the images with doubtful labels, from features (N, F) and cells that join the labels given.

    One doubt for each image: all its doubted labels are put right in what is suggested, and the strongest doubt gives
    the probabilities. Labels that fewer than FOLDS groups or images have, or lack, are not judged. `groups` names what
    is judged together, "" for an image on its own.
    """
    names = tuple(sorted(count_names(given, separator), key=natural_key))
    targets, units = MultiLabel(names, separator).number(given), number_together(groups)
    judged = [place for place, has in enumerate(targets.T == 1) if is_judged(units, has)]
    if not judged:
        return Doubts((), None)
    truth = targets[:, judged]
    task = MultiLabel(tuple(names[place] for place in judged), separator)
    probabilities = predict_sets(features, truth, task, groups, seed)
    decided = task.decide(probabilities)
    found = _find_cells(truth, probabilities, decided)
    right = targets.copy()
    right[:, judged] = np.where(found, decided, truth)
    trust = np.where(truth == 1, probabilities, 1 - probabilities)
    strongest = np.where(found, trust, np.inf).min(axis=1)
    doubts = tuple(
        Doubt(
            int(place),
            join_labels([name for name, has in zip(names, right[place], strict=True) if has], separator),
            round(float(1 - strongest[place]), 4),
            round(float(strongest[place]), 4),
        )
        for place in np.argsort(strongest, kind="stable")[: int(found.any(axis=1).sum())]
    )
    return Doubts(doubts, float((decided == truth).all(axis=1).mean()))


def is_judged(units: NDArray[np.int64], has: NDArray[np.bool_]) -> bool:
    """Whether enough units (N,), images or groups, have a label and enough lack it for every fold to know both."""
    return min(len(np.unique(units[has])), len(np.unique(units[~has]))) >= FOLDS


def predict_sets(
    features: NDArray[np.float32], targets: NDArray[np.int64], task: MultiLabel, groups: Sequence[str], seed: int
) -> NDArray[np.float64]:
    """Return each image's probability of each label, (N, C), from a head trained without its group."""
    probabilities = np.zeros(targets.shape)
    rows = project_features(features, seed)
    fold_of = divide_evenly(targets, groups, [1 / FOLDS] * FOLDS, seed)
    with calm_threads(len(rows)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unconverged head judges just as well
        strength = choose_strength(rows, targets, task, False, groups, seed)
        for fold in range(FOLDS):
            fit, judge = fold_of != fold, fold_of == fold
            model = task.build_regression(strength, False, 1e-3).fit(rows[fit], targets[fit])
            probabilities[judge] = model.predict(rows[judge])
    return probabilities


def _find_cells(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], decided: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Find the labels (N, C) that are doubted, and that the head decides otherwise."""
    from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class

    listed = [np.flatnonzero(row).tolist() for row in truth]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about labels without issues
        places, *_ = find_multilabel_issues_per_class(
            listed, probabilities, filter_by="both", return_indices_ranked_by="self_confidence", n_jobs=1
        )
    found = np.zeros(truth.shape, bool)
    for label, rows in enumerate(places):
        found[rows, label] = True
    return np.asarray(found & (decided != truth))
