"""Choices measured before training: a quick cross-validated linear head for each value, on cached features.

The simplest value within one standard error of the best is taken (Breiman et al. 1984, "Classification and Regression
Trees", the one-standard-error rule): a gain that may be chance is not worth a larger input or a wider head. A kappa of
a few hundred images is coarse, its error wide; so a value also counts as worse if its log loss, compared image by
image, is higher by more than one standard error of that difference. The table's own value rests on more evidence than
these images: it may be two standard errors worse, and a simpler one replaces it only if neither figure is worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sightx_cli.metrics.registry import LOSS, METRICS
from sightx_cli.probe.folds import CrossValidation, measure_folds
from sightx_cli.probe.linear_head import STRENGTHS, calm_threads, measure_scale, rotate
from sightx_cli.recipe.values import BESIDE
from sightx_cli.results.probe import Trial
from sightx_cli.task.stratification import number_together
from sightx_cli.task.task import Task

PROBE_IMAGES = 1_000
"""At most this many images of the train part are used."""

PROBE_FOLDS = 5

SATURATED = 0.99
"""Above this, a figure differs by a handful of images only: the log loss, which still moves, takes its place."""

FEWEST_IN_FOLD = 2
"""Of very unequal classes each fold needs this many images of the smallest: from one, no error can be resampled. Of 80
and 4 photographs of bees and ants a chance finding (0.96 ± 0.02 against 0.82 ± 0.06) made the model worse, of 160 and 8
X-rays unweighted classes looked no worse and found 9 of 20."""

SIZES_PX = (160, 224, 260, 300, 320, 384)
"""Sides that are tried: of linear heads on the packaged networks' features 300 px was the best of 224, 300 and 384 on
solar cells (kappa 0.663, 0.695, 0.666, which are 300 px wide) and no worse than 384 on retina grades (0.779, 0.809,
0.787), 320 px the best of 260, 320 and 384 on ants and bees (log loss 0.080, 0.066, 0.079), and 160 px of 32 px wide
objects (accuracy 0.760 at 260, 0.783 at 160, 0.779 at 128); five folds of training parts."""

LARGER_BY, ENLARGED_BY = 1.2, 1.2
"""A larger input is at least so many times the current side, for less changes little, and at most so many times the
images' short side, for enlarging adds no detail."""

SMALLER_BY = 0.75
"""Smaller inputs are tried where the short side is less than this part of the current side."""

FEW_ENOUGH_TO_ENLARGE = 50_000
"""With more images the whole network trains, and a larger input multiplies hours."""

IMAGES_PER_SECOND = 200.0
"""Assumed of the compiled forward of tf_efficientnet_lite0 at 224 px on two CPU cores (150 to 370 were measured)."""

PACKAGED_WORK = {"tf_efficientnet_lite0": 1.0, "tf_efficientnet_lite1": 1.3, "tf_efficientnet_lite2": 1.5}
"""The multiply-adds of the networks that come as packages, at one size, as multiples of the first's."""

BUILD_SECONDS = 1.5
"""Assumed of converting and compiling a network, at a size that is new."""

HEAD_SECONDS = 0.2
"""Assumed of one cross-validated head on PROBE_IMAGES images of 4,000 features and two classes."""

MIN_BUDGET_SECONDS = 10.0
BUDGET_SHARE = 0.2
"""The default budget: this share of what the fit will take, at least MIN_BUDGET_SECONDS."""


OWN_MARGIN = 2.0
"""How many standard errors the table's own value may be behind in log loss."""


def choose_simplest(trials: Sequence[Trial], own: str, own_margin: float = OWN_MARGIN) -> list[Trial]:
    """Mark as chosen the first of the trials, simplest first, that is no worse than the best; `own` is the table's.

    No worse: within one standard error of the best mean, and not worse in log loss (see the module's docstring), the
    table's by up to `own_margin` standard errors. If none is both, the log loss decides.
    """
    sign = -1.0 if METRICS[trials[0].metric].lower_is_better else 1.0
    best = max(trials, key=lambda trial: sign * trial.mean)
    edge = sign * best.mean - best.standard_error
    at = [trial.value for trial in trials].index(own)
    margins = [0.0 if place < at else own_margin if place == at else 1.0 for place in range(len(trials))]
    level = [not _is_behind(trial, margin) for trial, margin in zip(trials, margins, strict=True)]
    edges = [max(edge, sign * trials[at].mean) if place < at else edge for place in range(len(trials))]
    good = [even and sign * trial.mean >= low for trial, even, low in zip(trials, level, edges, strict=True)]
    place = (good if any(good) else level).index(True)
    return [replace(trial, chosen=number == place) for number, trial in enumerate(trials)]


def _is_behind(trial: Trial, errors: float) -> bool:
    if trial.log_loss_behind is None or trial.log_loss_error is None:
        return False
    return trial.log_loss_behind > errors * trial.log_loss_error


def compare_losses(
    trials: Sequence[Trial], losses: Sequence[NDArray[np.float64]], together: Sequence[str]
) -> list[Trial]:
    """Note how much higher each trial's log loss is than the lowest, from the losses of the same images (N,) each.

    Images of a group (`together`, "" for none) are not independent evidence: the error is that of sums over groups.
    """
    least = losses[int(np.argmin([loss.mean() for loss in losses]))]
    units = number_together(together)
    compared = []
    for trial, loss in zip(trials, losses, strict=True):
        behind, error = measure_gap(loss, least, units)
        compared.append(replace(trial, log_loss_behind=behind, log_loss_error=error))
    return compared


def measure_gap(
    losses: NDArray[np.float64], others: NDArray[np.float64], units: NDArray[np.int64]
) -> tuple[float, float]:
    """Measure how much higher losses (N,) are than others of the same images, and the standard error of that.

    `units` numbers what is independent evidence, each image's group or itself, (N,).
    """
    gap = losses - others
    sums = np.bincount(units, gap - gap.mean())
    return float(gap.mean()), float(np.sqrt((sums**2).sum()) / len(gap))


def choose_probe_metric(metric: str, figures: dict[str, float | None]) -> str:
    """Return what the choices are judged by: the recipe's metric, or the log loss where it is saturated or missing."""
    value = figures.get(metric)
    saturated = value is None or (not METRICS[metric].lower_is_better and value >= SATURATED)
    return LOSS.name if saturated else metric


def doubt_comparison(task: Task, targets: NDArray[np.int64]) -> str:
    """Say why nothing can be told about these images: the smallest of very unequal classes is too small; "" if not."""
    fewest, needed = task.count_fewest(targets), FEWEST_IN_FOLD * PROBE_FOLDS
    if not task.is_unequal(targets) or fewest >= needed:
        return ""
    return f"the smallest class has {fewest} images to train on, and {needed} are needed to tell"


def measure_weighed_losses(
    task: Task, probabilities: NDArray[np.float32], targets: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Measure each image's log loss, (N,), as the choices compare it: every class counts the same if very unequal."""
    losses = np.asarray(task.measure_losses(probabilities.astype(np.float64), targets))
    return losses * task.weigh_images(targets) if task.is_unequal(targets) else losses


def choose_weights_metric(metric: str, task: Task) -> str:
    """Return what class weights are judged by: ROC AUC and the log loss ignore decisions, which weights are for."""
    return metric if METRICS[metric].judges_labels else task.label_metric.name


def list_taps(taps: str, stages: int) -> list[str]:
    """List the taps to compare: the recipe's own, then the others by how many outputs they read.

    The recipe's own counts as the simplest: all taps come out of one forward, so fewer of them save nothing.
    """
    others = {"last", "all"} | ({"last:3"} if stages > 3 else set())
    return [taps, *sorted(others - {taps}, key=lambda one: count_taps(one, stages))]


def count_taps(taps: str, stages: int) -> int:
    """Return how many outputs the head reads: 1 for last."""
    return {"last": 1, "all": stages}.get(taps) or int(taps.removeprefix("last:"))


def select_taps(features: NDArray[np.float32], widths: Sequence[int], taps: str) -> NDArray[np.float32]:
    """Return the columns that a head with these taps reads, from the features of all taps (N, F)."""
    columns = sum(widths[len(widths) - count_taps(taps, len(widths)) :])
    return features[:, features.shape[1] - columns :]


def list_sizes(size_px: int, short_side_px: int, images: int) -> list[int]:
    """List the sizes to compare, smallest first: a larger one if the images have the detail, a smaller one if not."""
    larger = [size for size in SIZES_PX if LARGER_BY * size_px <= size <= ENLARGED_BY * short_side_px]
    if images >= FEW_ENOUGH_TO_ENLARGE:
        larger = []
    is_enlarged = short_side_px < SMALLER_BY * size_px
    smaller = [size for size in SIZES_PX if short_side_px <= size < size_px and is_enlarged]
    return [*smaller[:1], size_px, *larger[:1]]


def join_features(parts: Sequence[tuple[NDArray[np.float32], Sequence[int]]]) -> tuple[NDArray[np.float32], list[int]]:
    """Join the features (N, F) of networks, each with its widths by tap, as those of one with all of them side by side.

    That is tap by tap, those of all networks at each; taps are counted from the last output back. Returns the widths.
    """
    columns: list[NDArray[np.float32]] = []
    widths: list[int] = []
    for back in range(max(len(of_each) for _, of_each in parts), 0, -1):
        widths.append(0)
        for rows, of_each in parts:
            if back <= len(of_each):
                end = rows.shape[1] - sum(of_each[len(of_each) - back + 1 :])
                width = of_each[len(of_each) - back]
                columns.append(rows[:, end - width : end])
                widths[-1] += width
    return np.concatenate(columns, axis=1), widths


def estimate_forward_seconds(images: int, size_px: int, backbone: str = "") -> float:
    """Estimate what the plain view of this many images costs; networks other than the packages' count as the first."""
    work = sum(PACKAGED_WORK.get(name, 1.0) for name in backbone.split(BESIDE))
    return images / IMAGES_PER_SECOND * work * (size_px / 224) ** 2


def estimate_head_seconds(images: int, features: int, classes: int) -> float:
    """Estimate what one cross-validated head costs."""
    rows = min(images, PROBE_IMAGES) / PROBE_IMAGES
    return HEAD_SECONDS * rows**2 * max(1.0, classes / 2) * max(0.2, min(features / 4_000, 2.0))


def sample_images(strata: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Return the positions of at most this many images, stratified by `strata` (N,), at least two of each."""
    if len(strata) <= most:
        return np.arange(len(strata))
    generator = np.random.default_rng(seed)
    chosen = []
    for number in np.unique(strata):
        places = generator.permutation(np.flatnonzero(strata == number))
        chosen.append(places[: max(2, round(len(places) * most / len(strata)))])
    return np.sort(np.concatenate(chosen))


def measure_head(
    features: NDArray[np.float32],
    targets: NDArray[np.int64],
    fold_of: NDArray[np.int64],
    task: Task,
    balanced: bool,
    together: Sequence[str],
) -> CrossValidation:
    """Cross-validate a linear head quickly: as `cross_validate`, with one penalty for all folds.

    The penalty of the four with the least out-of-fold log loss serves all folds. That is a little optimistic, equally
    for every value of a setting, and takes a quarter of the time. Very unequal classes are shifted as in a solved head.
    """
    with calm_threads(len(targets)):
        mean, deviation = measure_scale(features)
        folds = [fold_of == fold for fold in np.unique(fold_of)]
        learned, held_out = ([np.flatnonzero(part) for part in parts] for parts in ([~out for out in folds], folds))
        turned = rotate((features - mean) / deviation)
        found, _ = predict_held_out(turned, targets, learned, held_out, task, balanced)
        if balanced and task.is_unequal(targets):
            found = shift_folds(found, targets, fold_of, task)
    return measure_folds(found, targets, fold_of, task, together)


def predict_held_out(
    turned: NDArray[np.float32],
    targets: NDArray[np.int64],
    learned: Sequence[NDArray[np.int64]],
    held_out: Sequence[NDArray[np.int64]],
    task: Task,
    balanced: bool,
    strengths: Sequence[float] = STRENGTHS,
) -> tuple[NDArray[np.float32], float]:
    """Predict each fold by a head that learned from images outside it, all by the penalty with the least log loss.

    `turned` are standardised features (N, F); `learned` and `held_out` the positions for each fold, which together hold
    every image once. Returns the probabilities (N, C), and the inverse strength of that penalty.
    """
    heads = [task.build_regression(strengths[0], balanced, 1e-2, warm_start=True) for _ in learned]
    rows = [(turned[part], targets[part]) for part in learned]
    best, chosen, least = np.zeros((len(targets), task.outputs), np.float32), strengths[0], np.inf
    for strength in strengths:
        found = np.zeros_like(best)
        for head, (x, y), out in zip(heads, rows, held_out, strict=True):
            head.set_strength(strength)
            found[out] = head.fit(x, y).predict(turned[out])
        loss = float(task.measure_losses(found, targets).mean())
        if loss > least:
            break  # the loss over the penalty has a single minimum: what follows is worse
        best, chosen, least = found, strength, loss
    return best, chosen


def shift_folds(
    probabilities: NDArray[np.float32], targets: NDArray[np.int64], fold_of: NDArray[np.int64], task: Task
) -> NDArray[np.float32]:
    """Shift out-of-fold probabilities (N, C) as a solved head would be (see `task.offsets`), each fold by the others'.

    So no image is judged by offsets that were fitted to it.
    """
    shifted = probabilities.copy()
    for fold in np.unique(fold_of):
        out = fold_of == fold
        shifted[out] = task.shift(probabilities[out], task.fit_offsets(probabilities[~out], targets[~out]))
    return shifted
