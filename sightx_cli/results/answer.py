"""What a model says of one image in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class Answer:
    """One image's answer, the same as its row in a table of predictions."""

    prediction: str | None
    """The class; of several labels those it has, joined as in tables ("" for none). None where it cannot be read."""
    confidence: float | None
    """The calibrated probability of the prediction; None of several labels, which have one each."""
    probabilities: Mapping[str, float]
    """The calibrated probability of every class; empty where the image cannot be read."""
    status: str = ""
    """"sure", "unsure" (another may be true) or "unfamiliar" (unlike the training images); "" where nothing tells."""
    decision: str = ""
    """"positive" or "negative" by a stored threshold over some of several classes; "" where there is none."""
    error: str = ""
    """Why the image cannot be read; "" where it can."""
    seconds: float = 0.0
    """From the call to this answer: of one of many, the wait for those before it is in it."""
    notes: tuple[str, ...] = ()
    """What was found in the image and left out or assumed, a sentence each."""

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return to_object(vars(self))
