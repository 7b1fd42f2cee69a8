"""The curves of a part, as points: what its report draws, and metrics.json holds."""

from __future__ import annotations

from collections.abc import Sequence

from sightx_cli.metrics.answers import Answers
from sightx_cli.metrics.curves import (
    measure_decision_curve,
    measure_histograms,
    measure_ranking_curves,
    measure_reliability,
    measure_risk_coverage,
)
from sightx_cli.metrics.decisions import build_question
from sightx_cli.results.curves import PartCurves


def measure_curves(
    answers: Answers, classes: Sequence[str], together: Sequence[str], positives: Sequence[str] = ()
) -> PartCurves:
    """Measure the curves of checked answers, `together` naming each image's group.

    The decision curve is of the `positives`; without any, of the second of two classes.
    """
    two = answers.classes == 2 and answers.truth.ndim == 1
    asked = list(positives) or ([classes[1]] if two else [])
    return PartCurves(
        measure_ranking_curves(answers, classes, together),
        measure_reliability(answers, classes, together),
        measure_histograms(answers, classes),
        measure_decision_curve(build_question(answers, classes, asked)) if asked else None,
        measure_risk_coverage(answers, together),
    )
