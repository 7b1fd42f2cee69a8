"""The schedule of the rates over a training stage: one-cycle, cosine (with warm-up) or flat, as in fastai."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from fastai.callback.schedule import SchedCos, SchedLin, combine_scheds, combined_cos
from numpy.typing import NDArray

Rates = NDArray[np.float64]
Course = Callable[[float], Any]
"""From the fraction done (0 … 1) to a rate for each group, or to one momentum for all."""

PEAK_AT, START_PART, END_PART = 0.25, 25.0, 1e5
"""fastai's `fit_one_cycle`: the peak after a quarter, from 1/25 of it, down to 1/100,000."""
WARMUP_START = 0.01
"""The fraction of the rate that a warm-up starts at."""


def build_course(schedule: str, rates: Rates, warmup_share: float = 0.0) -> Course:
    """Build the schedule of each group's rate; `warmup_share` is the fraction of the epochs in which cosine rises."""
    if schedule == "one-cycle":
        course: Course = combined_cos(PEAK_AT, rates / START_PART, rates, rates / END_PART)
        return course
    if schedule == "cosine":
        return build_warm_cosine(rates, warmup_share)
    return lambda _: rates


def build_warm_cosine(rates: Rates, warmup_share: float) -> Course:
    """Build a cosine from the rates to zero, after a linear warm-up if there is one."""
    if warmup_share == 0:
        course: Course = SchedCos(rates, rates * 0)
        return course
    parts = [SchedLin(rates * WARMUP_START, rates), SchedCos(rates, rates * 0)]
    return combine_scheds([warmup_share, 1 - warmup_share], parts)  # type: ignore[no-any-return]


def build_momentum(schedule: str, moms: tuple[float, float, float]) -> Course | None:
    """Build the momentum schedule of a one-cycle; None where the momentum stays constant."""
    if schedule != "one-cycle":
        return None
    course: Course = combined_cos(PEAK_AT, *moms)
    return course
