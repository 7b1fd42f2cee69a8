"""The linear probe: the head's weights solved on cached features, as the start of training (LP-FT).

Kumar et al. 2022, "Fine-Tuning can Distort Pretrained Features" (arXiv:2202.10054): a head that is solved first keeps
the first steps of fine-tuning from tearing up the backbone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.machine import measure_free_memory
from sightx_cli.task.stratification import assign_strata, divide_evenly, number_strata, number_together
from sightx_cli.task.task import Task

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Inverse strengths of the L2 penalty that are tried (scikit-learn's C, on standardised features)."""

CALM_IMAGES = 10_000
"""Heads of up to this many images are solved on one thread: a second gains half of a second, and where anything else
runs, the two mostly wait for each other. A head of 2,099 images that takes 1.1 s took 41 s so, beside two others."""

ALONE = 1e-9
"""How much of a row counts as its own where features are rotated: the same row twice has a factor all the same."""

PENALTY_FOLDS = 3
TRIAL_IMAGES = 1000
"""The penalty is chosen on at most this many images: more do not change the choice."""

OFFSET_FOLDS = 5
"""Of the images that the offsets of unequal classes are measured on; with ten they decide no better."""

OFFSET_STRENGTH = 0.5
"""How strong, as a share of the head's own, the heads are whose predictions the offsets are fitted to.

Where features are many, a head is surer of new images than it may be, and the offsets become too large. Of 2,099 solar
cells (four unequal grades; features of the last output and of all taps; classes and grades; balanced heads; two
divisions into five folds each) accuracy, balanced accuracy and kappa are 0.619, 0.603 and 0.616 at 1, and 0.648, 0.604
and 0.635 at one half (0.638, 0.603 and 0.627 with heads that a loose tolerance stopped early, as was done once). At 0.3
a rare class of four pairs of classes, 20 : 1, is found in 0.71 of its images and no longer in 0.75.
"""

LEAST_DEVIATION = 0.1
"""The least deviation that a feature is divided by, as a share of the median of all features' deviations.

Features that hardly vary on the training images, a thousandth as much as others, would be enlarged to weigh as much,
noise and rounding with them. Five folds of the training part, two divisions, without a least deviation and with it: log
loss 0.125 and 0.121 on ants and bees, 0.072 and 0.070 on 700 chest X-rays, 1.016 and 0.926 on retina grades (accuracy
0.617 and 0.642), 1.013 and 0.918 on 700 solar cells (0.608 and 0.618); from 0.03 to 0.2 it makes no difference.
"""

SCALED_VALUES = 32_000_000
"""Values whose deviation is taken at a time: 256 MB as float64."""

SHARE_OF_FREE_MEMORY = 0.5
"""What the features that a head is solved on may take of the memory that is free, with what the solver needs beside."""


@contextmanager
def calm_threads(images: int) -> Iterator[None]:
    """Let linear algebra run on one thread while heads of few images are solved; many images keep all threads."""
    import scipy.linalg  # noqa: F401 (a library that is loaded later is not limited)
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1, user_api="blas") if images <= CALM_IMAGES else nullcontext():
        yield


@dataclass(frozen=True)
class LinearSolution:
    """A solved linear head: logits = weight · (features − mean) / deviation + bias (offsets included)."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    strength: float
    task: Task
    offsets: NDArray[np.float32] | None = None
    """What was added to each logit (C,) so that very unequal classes count the same; None where nothing was."""

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probabilities (N, C) of features (N, F)."""
        return self.task.activate((features - self.mean) / self.deviation @ self.weight.T + self.bias)


def solve_linear_head(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    task: Task,
    balanced: bool,
    groups: Sequence[str] | None = None,
    seed: int = 0,
    views: int = 1,
    overwrite: bool = False,
) -> LinearSolution:
    """Solve the task's regression on features (N, F) with the targets of their images.

    The penalty is chosen by cross-validated log loss on the training images, with groups kept together. At least two
    classes must have images; a class without any is all but ruled out. With several views the rows hold every image
    once per view, view after view: the penalty is chosen on the first view, and weighs as much per image on all. With
    `overwrite` the features may be changed in place, so that they are held once. A `balanced` head of very unequal
    classes gets the offsets that make them count the same on images it has not seen.
    """
    mean, deviation = measure_scale(features)
    scaled = np.subtract(features, mean, out=features if overwrite else None)
    np.divide(scaled, deviation, out=scaled)
    first = len(targets) // views
    first_groups = None if groups is None else list(groups)[:first]
    strength = choose_strength(scaled[:first], targets[:first], task, balanced, first_groups, seed)
    offsets = None
    if balanced and task.is_unequal(targets[:first]):
        offsets = measure_offsets(scaled[:first], targets[:first], task, strength, first_groups, seed)
    strength /= views
    weight, bias = task.build_regression(strength, balanced, 1e-3).fit(scaled, targets).read()
    bias = bias if offsets is None else bias + offsets
    return LinearSolution(weight, bias, mean, deviation, strength, task, offsets)


def measure_offsets(
    scaled: NDArray[np.float32],
    targets: NDArray[np.int64],
    task: Task,
    strength: float,
    groups: Sequence[str] | None,
    seed: int,
) -> NDArray[np.float32] | None:
    """Measure what makes unequal classes count the same (see `task.offsets`), on cross-validated predictions.

    Features (N, F) are standardised; groups are kept together. None where a class cannot be on both sides of a fold.
    """
    some = choose_images(task.find_strata(targets), measure_most_images(scaled.shape[1], task), seed)
    rows = np.arange(len(targets)) if some is None else some
    x, y = scaled if some is None else scaled[rows], targets[rows]
    together = [""] * len(rows) if groups is None else [groups[row] for row in rows.tolist()]
    splits = list_splits(task.find_strata(y), together, seed, OFFSET_FOLDS)
    if not splits:
        return None
    predicted = []
    for fit, judge in splits:
        predicted.append(
            task.build_regression(strength * OFFSET_STRENGTH, True, 1e-2).fit(x[fit], y[fit]).predict(x[judge])
        )
    return task.fit_offsets(np.concatenate(predicted), np.concatenate([y[judge] for _, judge in splits]))


def measure_most_images(columns: int, task: Task, views: int = 1, free_bytes: int | None = None) -> int | None:
    """Measure on how many images a head may be solved: F columns of features, in so many views; None for any number.

    A row takes its features, held once, and some ten numbers for each output while the solver looks for its next step;
    beside them stand the two square matrices that it factors (see `task.logistic_spaces`).
    """
    from sightx_cli.task.logistic_spaces import measure_square_bytes

    free = measure_free_memory() if free_bytes is None else free_bytes
    row_bytes = np.dtype(np.float32).itemsize * (columns + 10 * task.outputs)
    if free is None:
        return None
    room = int(free * SHARE_OF_FREE_MEMORY) - 2 * measure_square_bytes(columns)
    return max(TRIAL_IMAGES, room // (row_bytes * views))


def choose_images(strata: NDArray[np.int64], most: int | None, seed: int = 0) -> NDArray[np.int64] | None:
    """Choose which images to solve on, by their strata: None for all where they are no more than `most`.

    Else the same share of every stratum, one image at least, in their order.
    """
    if most is None or len(strata) <= most:
        return None
    strata = number_strata(strata)
    generator, chosen = np.random.default_rng(seed), []
    for stratum in np.unique(strata):
        places = np.flatnonzero(strata == stratum)
        chosen.append(generator.permutation(places)[: max(1, len(places) * most // len(strata))])
    return np.sort(np.concatenate(chosen))


def describe_choice(chosen: int, images: int) -> str:
    """Say that a head is solved on some of the images only."""
    return (
        f"the head is solved on {chosen:,} of {images:,} images, the same share of every class: more do not fit into "
        "the memory that is free"
    )


def measure_scale(features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean and the deviation of each feature, (F,) each, with no deviation below LEAST_DEVIATION.

    Where most features are constant, the deviation of a constant one counts as 1.

    Of many images a few features at a time: NumPy copies all that it takes a deviation of, as float64.
    """
    mean, deviation = np.empty((2, features.shape[1]), np.float32)
    width = max(1, SCALED_VALUES // len(features))
    for first in range(0, features.shape[1], width):
        part = slice(first, first + width)
        mean[part] = features[:, part].mean(0, dtype=np.float64)
        deviation[part] = features[:, part].std(0, dtype=np.float64)
    np.maximum(deviation, np.float32(LEAST_DEVIATION) * np.median(deviation), out=deviation)
    deviation[deviation < 1e-6] = 1.0
    return mean, deviation


def rotate(scaled: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rotate features (N, F) so that N columns hold all of them, if there are fewer rows than columns: (N, min(N, F)).

    Products of rows are preserved, and so is the loss of every L2-penalised linear model: the same solutions, found
    faster. They are a factor of the products (Cholesky), found in a fiftieth of a singular value decomposition's time.
    """
    if len(scaled) >= scaled.shape[1]:
        return scaled
    rows = scaled.astype(np.float64)
    products = rows @ rows.T
    diagonal = np.einsum("ii->i", products)
    diagonal += ALONE * diagonal.mean() + np.finfo(np.float64).tiny
    return np.linalg.cholesky(products).astype(np.float32)


def choose_strength(
    scaled: NDArray[np.float32],
    targets: NDArray[np.int64],
    task: Task,
    balanced: bool,
    groups: Sequence[str] | None,
    seed: int,
) -> float:
    """Choose the penalty with the least cross-validated log loss, on at most TRIAL_IMAGES images."""
    rows = np.arange(len(targets))
    if len(rows) > TRIAL_IMAGES:
        rows = np.random.default_rng(seed).choice(rows, TRIAL_IMAGES, replace=False)
    x, y = rotate(scaled[rows]), targets[rows]
    together = [""] * len(rows) if groups is None else [groups[row] for row in rows.tolist()]
    splits = list_splits(task.find_strata(y), together, seed)
    if not splits:
        return STRENGTHS[1]
    heads = [task.build_regression(STRENGTHS[0], balanced, 1e-2, warm_start=True) for _ in splits]
    learned = [(x[fit], y[fit]) for fit, _ in splits]
    best, least = STRENGTHS[0], np.inf
    for strength in STRENGTHS:
        total = 0.0
        for head, (features, labels), (_, judge) in zip(heads, learned, splits, strict=True):
            head.set_strength(strength)
            total += head.fit(features, labels).measure_loss(x[judge], y[judge])
        if total > least:
            break  # the loss over the penalty has a single minimum: what follows is worse
        best, least = strength, total
    return best


def list_splits(
    strata: NDArray[np.int64], together: Sequence[str], seed: int, folds: int = PENALTY_FOLDS
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """List the splits, images to solve on and to judge on, that a head is measured by; none where too few images.

    `together` names groups; an empty name is none: that image is on its own (see `data.splits`).
    """
    units = number_together(together)
    apart = len(np.unique(units))
    if strata.ndim == 2:
        folds = min(folds, apart)
        fold_of = divide_evenly(strata, together, [1 / folds] * folds, seed)
        numbers = range(folds) if folds > 1 else ()
        return [(np.flatnonzero(fold_of != number), np.flatnonzero(fold_of == number)) for number in numbers]
    present = np.unique(strata)
    folds = min(folds, int(np.bincount(strata)[present].min()), apart)
    if folds < 2 or len(present) < 2:
        return []
    if apart < len(strata):
        from sklearn.model_selection import StratifiedGroupKFold

        grouped = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        splits = list(grouped.split(np.zeros(len(strata)), strata, units))
    else:
        fold_of = assign_strata(strata, folds, seed)
        splits = [(np.flatnonzero(fold_of != number), np.flatnonzero(fold_of == number)) for number in range(folds)]
    # A fold without a class to learn from, or with nothing to judge on, says nothing.
    return [(fit, judge) for fit, judge in splits if len(judge) and len(np.unique(strata[fit])) == len(present)]
