"""Cross-validation of the linear head on cached features: every image is predicted by a head that never saw it.

Groups, and images with the same bytes, stay in one fold. What is validated is the head on frozen features, not the
training of later stages.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.errors import UsageError
from sightx_cli.metrics.fold_intervals import FoldFigures
from sightx_cli.probe.linear_head import calm_threads, choose_images, solve_linear_head
from sightx_cli.task.stratification import Strata, assign_strata, divide_evenly, number_together
from sightx_cli.task.task import Task

DEFAULT_FOLDS = 5
FEW_IMAGES = 1_000
"""With fewer images than this, a single valid part is too small to trust: cross-validation is the default."""


@dataclass(frozen=True)
class CrossValidation:
    """Out-of-fold predictions and their figures: the mean over the folds, and 95 % intervals of these means."""

    probabilities: NDArray[np.float32]
    """(N, C): of each image by the head that did not see it."""
    figures: FoldFigures


def may_be_folded(asked: int | None, images: int, given_valid: bool) -> bool:
    """Whether folds are made of so many images, as far as that can be told before what stays together is known."""
    if asked is None:
        return not given_valid and images < FEW_IMAGES
    return asked != 0


def choose_fold_count(asked: int | None, labels: Strata, together: Sequence[str], given_valid: bool) -> int:
    """Return the number of folds, 0 for no cross-validation.

    Without `asked`: DEFAULT_FOLDS for fewer than FEW_IMAGES images without a given valid part, fewer where the
    smallest class has fewer images or groups. Several labels, (N, C), ask for no fewer: one that a fold lacks does not
    count there.

    Raises UsageError for a single fold, or for more than the images or groups allow.
    """
    if not may_be_folded(asked, len(labels), given_valid):
        return 0
    if asked is None:
        return shrink_folds(DEFAULT_FOLDS, labels, together)
    if asked < 2:
        raise UsageError(f"--folds {asked}: allowed are 0 (none) and 2 or more", "--folds 5")
    rarest, fewest = find_rarest(labels)
    if asked > fewest:
        raise UsageError(
            f"--folds {asked}: class {rarest!r} has {fewest} images to train on, and each fold needs one",
            f"--folds {fewest}" if fewest >= 2 else "--folds 0",
        )
    units = len(np.unique(number_together(together)))
    if asked > units:
        raise UsageError(f"--folds {asked}: there are only {units} groups to divide", f"--folds {units}")
    return asked


def find_rarest(labels: Strata) -> tuple[str, int]:
    """Find the class with the fewest images, and how many those are; of several labels for each image, all images."""
    if isinstance(labels, np.ndarray) and labels.ndim == 2:
        return "", len(labels)
    return min(Counter(labels).items(), key=lambda item: (item[1], item[0]))


def shrink_folds(folds: int, labels: Strata, together: Sequence[str]) -> int:
    """Return the number of folds that the smallest class allows, by images or groups; 0 where there cannot be two."""
    if isinstance(labels, np.ndarray) and labels.ndim == 2:
        apart = len(np.unique(number_together(together)))
        return min(folds, apart) if apart > 1 else 0
    units: dict[str, set[str]] = {}
    for place, (name, label) in enumerate(zip(together, labels, strict=True)):
        units.setdefault(label, set()).add(name or f"\0{place}")
    distinct = len(set().union(*units.values()))
    fewest = min(Counter(labels).values())
    if min(fewest, distinct) < 2:
        return 0
    return max(2, min(folds, min(map(len, units.values()))))


def assign_folds(strata: Strata, together: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """Assign each image a fold from 1 to `folds`: stratified, with groups kept together.

    `together` names each image's group, "" for an image on its own (with groups scikit-learn's StratifiedGroupKFold;
    else, and of several labels, `task.stratification`).
    """
    if isinstance(strata, np.ndarray) and strata.ndim == 2:
        return divide_evenly(strata, together, [1 / folds] * folds, seed) + 1
    targets = np.unique(np.asarray(strata).astype(str), return_inverse=True)[1]
    if not any(together):
        return assign_strata(targets, folds, seed) + 1
    from sklearn.model_selection import StratifiedGroupKFold

    fold_of = np.zeros(len(targets), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer groups than folds
        codes = number_together(together)
        splits = StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(targets, targets, codes)
        for number, (_, held_out) in enumerate(splits, 1):
            fold_of[held_out] = number
    return fold_of


def cross_validate(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    task: Task,
    balanced: bool,
    together: Sequence[str],
    seed: int = 0,
    views: Sequence[NDArray[np.float32]] = (),
    most: int | None = None,
) -> CrossValidation:
    """Solve a head on all folds but one, in turn, and predict that one: features (N, F), targets and folds (N,).

    The penalty of each head is chosen within its own training images. `views` are the features (N, F) of further views
    of the images, which the heads learn from too; what they predict is the first view. Each is solved on `most` images
    at the most (see `linear_head.choose_images`).
    """
    probabilities = np.zeros((len(targets), task.outputs), np.float32)
    count = 1 + len(views)
    with calm_threads(len(targets) * count):
        for fold in np.unique(fold_of):
            held_out = fold_of == fold
            learned = np.flatnonzero(~held_out)
            some = choose_images(task.find_strata(targets[learned]), most, seed)
            learned = learned if some is None else learned[some]
            groups = [together[place] for place in learned.tolist()] * count
            parts = [view[learned] for view in (features, *views)]
            solution = solve_linear_head(
                parts[0] if count == 1 else np.concatenate(parts),
                np.concatenate([targets[learned]] * count),
                task,
                balanced,
                groups if any(groups) else None,
                seed,
                count,
                overwrite=True,
            )
            probabilities[held_out] = solution.predict(features[held_out])
    return measure_folds(probabilities, targets, fold_of, task, together)


def measure_folds(
    probabilities: NDArray[np.float32],
    targets: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    task: Task,
    together: Sequence[str],
) -> CrossValidation:
    """Measure out-of-fold probabilities (N, C) of targets and folds (N,)."""
    return CrossValidation(probabilities, task.measure_fold_figures(probabilities, targets, fold_of, together))
