"""A figure of merit, and the kinds of task that it has a meaning for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sightx_cli.metrics.answers import Answers, Floats

SINGLE_LABEL = "single-label"
GRADES = "grades"
MULTI_LABEL = "multi-label"
"""The kinds of task; a metric says for which of them it has a meaning."""


@dataclass(frozen=True)
class Metric:
    """One figure of merit."""

    name: str
    """In recipes, JSON and history.csv."""
    title: str
    """For people."""
    measure: Callable[[Answers], float | None]
    """None where the figure has no meaning for these answers."""
    resample: Callable[[Answers, Floats], Floats | None]
    """The figure of each resample, (R,), from how often each image occurs in it, (R, N); NaN where it has none."""
    head: str = ""
    """For a narrow column, if the title is too long."""
    lower_is_better: bool = False
    judges_labels: bool = True
    """Whether it judges decisions; False if it judges the probabilities alone."""
    ranks_classes: bool = False
    """Whether it ranks each class against the others: it has no meaning where one has no image."""
    is_share: bool = False
    """Whether it is the share of images that are right: Wilson's interval holds for it, however few they are."""
    is_bounded: bool = False
    """Whether it lies within 0…1, and at one of these ends where nothing is wrong."""
    linearise: Callable[[Answers], tuple[float, Floats] | None] | None = None
    """The figure, and what each image contributes to it, (N,): for many answers, where `resample` would take hours."""
    kinds: tuple[str, ...] = (SINGLE_LABEL, GRADES)
