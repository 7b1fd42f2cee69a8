"""The result of `compare`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.metrics.registry import METRICS
from sightx_cli.metrics.set_registry import EXACT_MATCH
from sightx_cli.progress import Notice
from sightx_cli.results.json_form import to_object

if TYPE_CHECKING:
    from sightx_cli.metrics.intervals import Interval
    from sightx_cli.metrics.paired import McNemar, PairedDifference


SAME = "the same predictions"
"""What is said in place of an interval where two models give the same answer to each image."""
CORRECTED = '"More than chance" has allowed for how many figures are looked at (Holm 1979)'
"""What is said of the verdicts, which the p beside them does not show."""


@dataclass(frozen=True)
class ComparedPair:
    """How a model differs from the first, on the same images."""

    differences: Mapping[str, PairedDifference]
    """By metric; above 0 where this model's figure is higher."""
    mcnemar: McNemar | None
    """Of accuracy, of several labels of exact match; None where images belong to groups: no independent evidence."""


@dataclass(frozen=True)
class ComparedModel:
    """One model on the images that all share."""

    folder: Path
    run: Path
    metrics: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]
    against_first: ComparedPair | None
    """None of the first."""


@dataclass(frozen=True)
class CompareResult:
    """Several models on the same images: the figures of each, and whether the others differ from the first."""

    part: str
    """Whose predictions: test, valid, or evaluation."""
    images: int
    """How many images all were measured on."""
    intervals_by: str
    task: str
    models: tuple[ComparedModel, ...]
    page: Path | None = None
    notices: tuple[Notice, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `compare`."""
        return to_object(vars(self) | {"notices": [notice.to_json() for notice in self.notices]})


def describe_pair(model: ComparedModel, first: str, headline: str) -> str:
    """Say in words whether a model differs from the first, by the figure that people ask for first."""
    pair = model.against_first
    one = pair.differences.get(headline) if pair else None
    if pair is None or one is None:
        return "The figure that people ask for first has no meaning on these images."
    title = METRICS[headline].title
    way = "better" if (one.difference > 0) != METRICS[headline].lower_is_better else "worse"
    said = f"{title} {one.second:.4f} against {one.first:.4f}: "
    by_chance = "a difference that chance alone can explain"
    if one.is_same:
        return f"{said}{SAME}"
    if one.difference == 0:
        said += "the same"
    else:
        said += f"{way} than {first} by more than chance" if one.is_different else by_chance
    if pair.mcnemar is not None:
        won, lost = f"{pair.mcnemar.only_second:,} right", f"{pair.mcnemar.only_first:,} wrong"
        is_of_sets = EXACT_MATCH.name in pair.differences
        by, of = (f"by {EXACT_MATCH.title} ", f" of {EXACT_MATCH.title}") if is_of_sets else ("", "")
        said += f" ({by}it gets {won} that {first} gets wrong, and {lost} that {first} gets right; McNemar's p{of} "
        said += f"{format_p(pair.mcnemar.p)})"
    return said


def format_p(p: float) -> str:
    """Format how often chance does as much with three decimals; it is never 0."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
