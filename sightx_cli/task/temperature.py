"""Temperature: logits divided by one number, so that probabilities mean what they say.

Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599).

scikit-learn has it from version 1.8 on (`CalibratedClassifierCV(method="temperature")`) for an estimator and single
labels; here it is fitted to probabilities that are there already, with every version, and for several labels too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sightx_cli.task.bounded_minimum import find_minimum

if TYPE_CHECKING:
    from sightx_cli.task.task import Task

FEWEST_IMAGES = 20
"""With fewer images the temperature stays at 1: it would follow chance."""

HALFWAY_IMAGES = 20
"""With so many images the temperature goes halfway. Log loss on new images, by heads of four data sets (ants and bees,
retina photographs, chest X-rays, solar cells), fitted on 40 images: where the probabilities are right already it is
0.1143 untempered, 0.1221 with the best temperature and 0.1185 with this one (1.0878, 1.1033, 1.0954; 0.9807, 1.0022,
0.9907); where they are not, 0.2598, 0.1289 and 0.1512 (1.6346, 1.1997, 1.2253; 1.7158, 1.1424, 1.1850)."""

MOST_VALUES = 5_000_000
"""Of more probabilities, images times classes, every second, third … image is enough for one number."""

LARGEST_TEMPERATURE = 10.0
"""No temperature is larger, and none smaller than its inverse: beyond it the probabilities say nothing any more."""


def choose_smoothing(images: int, mistakes: int) -> float:
    """Choose how much of what is wanted goes to all outcomes alike: an image's worth where no mistake was seen.

    Platt 1999, "Probabilistic Outputs for Support Vector Machines": where a model is right on all of a few images, the
    probabilities would else be driven to 0 and 1. The more mistakes are seen, the less has to be assumed: on halves of
    782 chest X-rays (ten mistakes) an image's worth leaves a calibration slope of 1.19, a tenth of one 1.10.
    """
    return 1 / ((images + 2) * (1 + mistakes))


def fit_temperature(
    task: Task, probabilities: NDArray[Any], targets: NDArray[np.int64], fewest: int = FEWEST_IMAGES
) -> float:
    """Fit the temperature of probabilities (N, C) of images that were not learned from: that of the least log loss.

    It goes from 1 towards that one by N / (N + HALFWAY_IMAGES) of the way, on a logarithmic scale; it stays at 1 where
    there are fewer than `fewest` images.
    """
    images, edge = len(targets), math.log(LARGEST_TEMPERATURE)
    if images < fewest:
        return 1.0
    mistakes = int((task.decide(probabilities) != targets).reshape(images, -1).any(axis=1).sum())
    some = slice(None, None, max(1, probabilities.size // MOST_VALUES))
    targets, smoothing = targets[some], choose_smoothing(images, mistakes)
    logits = task.list_logits(probabilities[some])

    def measure(logarithm: float) -> float:
        return task.measure_smoothed_loss(logits / math.exp(logarithm), targets, smoothing)

    found = find_minimum(measure, -edge, edge)
    return round(math.exp(found * images / (images + HALFWAY_IMAGES)), 4)
