"""Finds labels that a quick linear head doubts: confident learning on out-of-fold probabilities.

Northcutt et al. 2021, "Confident Learning" (doi 10.1613/jair.1.12125), with the authors' library, cleanlab. Each image
is judged by a linear head trained without it, its duplicates and its group.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.probe.linear_head import calm_threads, choose_strength, measure_scale
from sightx_cli.quality.neighbours import find_directions
from sightx_cli.task.single_label import SingleLabel

FOLDS = 5
DIRECTIONS = 256
"""Principal directions of the features used by the head: it finds as many doubts as with all, many times faster."""
SAMPLE_IMAGES = 20_000
"""The directions are computed from at most this many images."""


@dataclass(frozen=True)
class Doubt:
    """One image whose label is doubted: its index, the class the head suggests, and the probabilities of both."""

    place: int
    suggested: str
    confidence: float
    """Probability of the suggested class."""
    confidence_given: float
    """Probability of the given label."""


@dataclass(frozen=True)
class Doubts:
    """All doubts, the strongest first, and the share of labels the head agrees with: how far to trust it."""

    found: tuple[Doubt, ...]
    agreement: float | None
    """None if there were too few images, or groups, to judge any."""


def find_doubts(
    features: NDArray[np.float32], given: Sequence[str], groups: Sequence[str] | None = None, seed: int = 0
) -> Doubts:
    """Find the doubtful labels of images with features (N, F), from the labels given; probabilities to four decimals.

    Images of one group (a name; "" for none) are judged together by a head trained without them. Classes with
    fewer than FOLDS groups or images are not judged.
    """
    names, targets = np.unique(np.asarray(given).astype(str), return_inverse=True)
    named = np.array([group or f"\0{place}" for place, group in enumerate(groups or [""] * len(targets))])
    counts = {label: len(set(named[targets == label].tolist())) for label in np.unique(targets).tolist()}
    rows = np.flatnonzero([counts[label] >= FOLDS for label in targets.tolist()])
    present, labels = np.unique(targets[rows], return_inverse=True)
    if len(present) < 2:
        return Doubts((), None)
    probabilities = predict_out_of_fold(features[rows], labels, named[rows].tolist(), seed)
    from cleanlab.filter import find_label_issues

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about classes without issues
        places = find_label_issues(
            labels, probabilities, filter_by="both", return_indices_ranked_by="self_confidence", n_jobs=1
        )
    suggested = name_classes(labels).decide(probabilities)
    found = tuple(
        Doubt(
            int(rows[place]),
            str(names[present[suggested[place]]]),
            round(float(probabilities[place, suggested[place]]), 4),
            round(float(probabilities[place, labels[place]]), 4),
        )
        for place in places
        if suggested[place] != labels[place]
    )
    return Doubts(found, float((suggested == labels).mean()))


def predict_out_of_fold(
    features: NDArray[np.float32], labels: NDArray[np.int64], groups: Sequence[str], seed: int
) -> NDArray[np.float64]:
    """Return each image's class probabilities, (N, classes), from a head trained without its group.

    Every class must have images in at least FOLDS groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    task = name_classes(labels)
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    probabilities = np.full((len(labels), task.outputs), 1e-6)
    rows = project_features(features, seed)
    with calm_threads(len(rows)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unconverged head judges just as well
        strength = choose_strength(rows, labels, task, False, groups, seed)
        for fit, judge in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(rows, labels, codes):
            found = task.build_regression(strength, False, 1e-3).fit(rows[fit], labels[fit]).predict(rows[judge])
            probabilities[judge] = np.where(found > 0, found, probabilities[judge])
    return probabilities / probabilities.sum(1, keepdims=True)  # type: ignore[no-any-return]


def name_classes(labels: NDArray[np.int64]) -> SingleLabel:
    """Return the task that confident learning judges: one label for each image, of as many classes as numbers."""
    return SingleLabel(tuple(map(str, range(int(labels.max()) + 1))))


def project_features(features: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Standardise features (N, F) and project them on their DIRECTIONS principal directions."""
    mean, deviation = measure_scale(features)
    places = np.random.default_rng(seed).permutation(len(features))[:SAMPLE_IMAGES]
    sample = (features[places] - mean) / deviation
    wanted = find_directions(sample, DIRECTIONS, seed) / deviation[:, None]
    return (features @ wanted - mean @ wanted).astype(np.float32)
