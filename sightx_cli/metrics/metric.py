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


SHARE, AGREEMENT, POSITIVE, REAL = (0.0, 1.0), (-1.0, 1.0), (0.0, float("inf")), (float("-inf"), float("inf"))
"""The values that a figure can have."""


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
    linearise: Callable[[Answers], tuple[float, Floats] | None]
    """The figure, and what one image more like each would add to it, (N,), which sum to 0: the spread of resamples."""
    limits: tuple[float, float] = SHARE
    """The values that it can have: the shape of its interval follows from them."""
    highest: float = float("inf")
    """No interval reaches above this; for a figure of which none of the shapes knows its upper end."""
    expect: Callable[[Answers, float], tuple[float, float] | None] | None = None
    """From the figure, a value like it and a variance that is not 0: the least believed, where answers vary less."""
    is_smoothed: bool = False
    """Whether its interval holds that around what is expected too, beside that around the figure itself."""
    head: str = ""
    """For a narrow column, if the title is too long."""
    lower_is_better: bool = False
    judges_labels: bool = True
    """Whether it judges decisions; False if it judges the probabilities alone."""
    ranks_classes: bool = False
    """Whether it ranks each class against the others: it has no meaning where one has no image."""
    is_share: bool = False
    """Whether it is the share of images that are right: Wilson's interval holds for it, however few they are."""
    chooses: bool = True
    """Whether an epoch or a setting may be chosen by it: more, or less, of it is always better."""
    each_epoch: bool = False
    """Whether it is measured after each epoch of training, and not only where an epoch is chosen by it."""
    measure_chance: Callable[[Answers], tuple[float, float]] | None = None
    """What chance alone makes of it, where it can only be too large, and the variance: its interval begins lower."""
    kinds: tuple[str, ...] = (SINGLE_LABEL, GRADES)

    def belongs(self, kind: str) -> bool:
        """Whether results of this kind of task name it: also where it has no meaning, as that of grades for classes."""
        return (kind == MULTI_LABEL) == (MULTI_LABEL in self.kinds) or kind in self.kinds
