"""The course of the rates over a training stage: one-cycle, cosine (with warm-up) or flat, as fastai schedules them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from fastai.callback.schedule import SchedCos, SchedLin, combine_scheds, combined_cos
from numpy.typing import NDArray

Rates = NDArray[np.float64]
Course = Callable[[float], Any]
"""From the part that is done (0 … 1) to a rate for each group, or to one momentum for all."""

PEAK_AT, START_PART, END_PART = 0.25, 25.0, 1e5
"""fastai's `fit_one_cycle`: the peak after a quarter, from 1/25 of it, down to 1/100,000."""
WARMUP_START = 0.01
"""The part of the rate that a warm-up begins with."""


def build_course(schedule: str, rates: Rates, warmup_share: float = 0.0) -> Course:
    """Build the course of a rate for each group; `warmup_share` is the part of the epochs that cosine rises in."""
    if schedule == "one-cycle":
        course: Course = combined_cos(PEAK_AT, rates / START_PART, rates, rates / END_PART)
        return course
    if schedule == "cosine":
        return build_warm_cosine(rates, warmup_share)
    return lambda _: rates


def build_warm_cosine(rates: Rates, warmup_share: float) -> Course:
    """Build a cosine from the rates to nothing, after a linear rise where there is a warm-up."""
    if warmup_share == 0:
        course: Course = SchedCos(rates, rates * 0)
        return course
    parts = [SchedLin(rates * WARMUP_START, rates), SchedCos(rates, rates * 0)]
    return combine_scheds([warmup_share, 1 - warmup_share], parts)  # type: ignore[no-any-return]


def build_momentum(schedule: str, moms: tuple[float, float, float]) -> Course | None:
    """Build the course of the momentum that goes with a one-cycle; None where the momentum stays as it is."""
    if schedule != "one-cycle":
        return None
    course: Course = combined_cos(PEAK_AT, *moms)
    return course
