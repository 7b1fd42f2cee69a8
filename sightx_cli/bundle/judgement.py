"""What a bundle says of images beside their probabilities: what is decided, how certain that is, and their status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightx_cli.bundle.chosen_threshold import decides_class
from sightx_cli.bundle.facts import BundleFacts
from sightx_cli.metrics.conformal import find_unsure

SURE, UNSURE, UNFAMILIAR = "sure", "unsure", "unfamiliar"
"""The status of a prediction: one answer fits; others fit too; the image is unlike those learned from."""
STATUSES = (SURE, UNSURE, UNFAMILIAR)


@dataclass(frozen=True)
class Judgement:
    """What is said of N images."""

    decided: NDArray[np.int64]
    """The class of each, (N,); of several labels, whether it has each, (N, C)."""
    chosen: NDArray[np.int64] | None
    """The same, where a stored threshold decides between two classes; None where the probabilities alone do."""
    positive: NDArray[np.bool_] | None
    """Whether the classes of a stored decision reach its threshold together, (N,); None where there is no decision."""
    certainty: NDArray[np.float32]
    """How certain the decision is, (N,): what images are put in order by (see `Task.measure_certainty`)."""
    statuses: list[str]
    """One of STATUSES for each; "" where nothing tells."""


def judge(
    facts: BundleFacts, probabilities: NDArray[np.float32], distances: NDArray[np.float32] | None = None
) -> Judgement:
    """Judge images by their tempered probabilities (N, C), and how far each lies from the training images, (N,)."""
    task, decision, sets = facts.task, facts.decision, facts.sets
    decided = decision.decide(probabilities, task) if decision else task.decide(probabilities)
    status = np.full(len(probabilities), "", dtype=object)
    if sets is not None:
        claims, said = task.list_claims(probabilities), task.mark_claims(decided)
        status[:] = np.where(find_unsure(claims, said, sets.floors[f"{sets.level:g}"]), UNSURE, SURE)
    if distances is not None and facts.familiarity is not None:
        status[distances > facts.familiarity.limit] = UNFAMILIAR
    return Judgement(
        decided,
        decided if decides_class(decision, task) else None,
        decision.find_positive(probabilities, task) if decision else None,
        task.measure_certainty(probabilities, decided, sets.shares if sets else ()),
        status.tolist(),
    )


def order_by_certainty(statuses: Sequence[str], certainty: NDArray[np.float32]) -> NDArray[np.int64]:
    """Put images in the order in which a model may keep them, (N,): sure ones first, unfamiliar ones last."""
    rank = np.array([STATUSES.index(status) if status else 0 for status in statuses])
    return np.lexsort((-certainty, rank)).astype(np.int64)
