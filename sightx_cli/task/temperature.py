"""Temperature: logits divided by one number, so that probabilities mean what they say.

Guo et al. 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599).

scikit-learn has it from version 1.8 on (`CalibratedClassifierCV(method="temperature")`) for an estimator and single
labels; here it is fitted to probabilities that are there already, with every version, and for several labels too.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FEWEST_IMAGES = 20
"""With fewer images the temperature stays at 1: it would follow chance."""

LARGEST_TEMPERATURE = 10.0
"""No temperature is larger, and none smaller than its inverse: beyond it the probabilities say nothing any more."""


def choose_smoothing(images: int) -> float:
    """Choose how much of what is wanted goes to all outcomes alike: one image's worth of the images and two more.

    Platt 1999, "Probabilistic Outputs for Support Vector Machines": where a model is right on all of a few images, the
    probabilities would else be driven to 0 and 1.
    """
    return 1 / (images + 2)


def fit_temperature(
    logits: NDArray[np.float64],
    wanted: NDArray[np.float64],
    measure: Callable[[NDArray[np.float64], NDArray[np.float64]], float],
) -> float:
    """Fit the temperature by which logits (N, C) have the least cross-entropy against what is wanted, (N, C).

    1 where there are fewer than FEWEST_IMAGES images.
    """
    if len(logits) < FEWEST_IMAGES:
        return 1.0
    from scipy.optimize import minimize_scalar

    edge = math.log(LARGEST_TEMPERATURE)
    found = minimize_scalar(lambda x: measure(logits / math.exp(x), wanted), bounds=(-edge, edge), method="bounded")
    return round(math.exp(float(found.x)), 4)
