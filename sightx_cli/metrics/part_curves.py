"""All curves of one part of the images, as a result keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightx_cli.metrics.answers import Answers
from sightx_cli.metrics.curves import (
    DecisionCurve,
    Histogram,
    RankingCurve,
    Reliability,
    RiskCoverage,
    measure_decision_curve,
    measure_histograms,
    measure_ranking_curves,
    measure_reliability,
    measure_risk_coverage,
)
from sightx_cli.metrics.operating_points import build_question


@dataclass(frozen=True)
class Curves:
    """The curves of a part; what has no meaning there is empty or None."""

    ranking: tuple[RankingCurve, ...]
    """ROC and precision–recall, by class; none of a class that all images are of, or none."""
    reliability: Reliability
    histograms: tuple[Histogram, ...]
    decision: DecisionCurve | None
    """Of two classes for class 1; of several only where some are said to be positive."""
    risk_coverage: RiskCoverage | None

    def to_json(self) -> dict[str, object]:
        """The curves by name."""
        return {
            "ranking": [one.to_json() for one in self.ranking],
            "reliability": self.reliability.to_json(),
            "histograms": [one.to_json() for one in self.histograms],
            "decision": self.decision.to_json() if self.decision else None,
            "risk_coverage": self.risk_coverage.to_json() if self.risk_coverage else None,
        }


def measure_curves(
    answers: Answers,
    classes: Sequence[str],
    together: Sequence[str] = (),
    positives: Sequence[str] = (),
    seed: int = 0,
) -> Curves:
    """Measure all curves of answers that are checked; `together` names each image's group ("" for none).

    Raises: `DataError` for positives that are no classes, or all of them.
    """
    asked = positives or (classes[1:] if len(classes) == 2 and answers.truth.ndim == 1 else ())
    return Curves(
        measure_ranking_curves(answers, classes, together, seed),
        measure_reliability(answers, classes, together),
        measure_histograms(answers, classes),
        measure_decision_curve(build_question(answers, classes, asked)) if asked else None,
        measure_risk_coverage(answers, together),
    )
