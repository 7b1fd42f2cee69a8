"""The curves of a part's answers, as points: what a report draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sightx_cli.results.json_form import to_object

if TYPE_CHECKING:
    from sightx_cli.metrics.curves import DecisionCurve, Histogram, RankingCurve, Reliability, RiskCoverage

DECIMALS = 5
"""Of each point: a drawing shows three at most."""


@dataclass(frozen=True)
class PartCurves:
    """How a part's answers rank, how far their probabilities hold, and what deciding by them brings."""

    rankings: tuple[RankingCurve, ...]
    """ROC and precision–recall, by class."""
    reliability: Reliability
    histograms: tuple[Histogram, ...]
    decision: DecisionCurve | None
    """None where nothing says which classes are positive."""
    coverage: RiskCoverage | None

    def to_json(self) -> dict[str, Any]:
        """Return the entry `curves` of a part in metrics.json."""
        found = round_points(to_object(vars(self)))
        assert isinstance(found, dict)
        return found


def round_points(value: Any) -> Any:
    """Round every number within lists and tables."""
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, dict):
        return {name: round_points(one) for name, one in value.items()}
    return [round_points(one) for one in value] if isinstance(value, list) else value
