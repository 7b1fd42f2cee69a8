"""The result of `lr-find`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class FoundRates:
    """The finder's curve (rates of the head, smoothed losses) and its suggestions by name."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestions: Mapping[str, float]

    @property
    def chosen(self) -> float:
        """The suggestion that is taken."""
        return self.suggestions["valley"]


@dataclass(frozen=True)
class LrFindResult(FoundRates):
    """What the learning-rate finder found for a stage, and where its picture lies."""

    stage: str
    plot: Path
    seconds: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `lr-find`."""
        first = {"stage": self.stage, "suggestions": self.suggestions, "chosen": self.chosen, "plot": self.plot}
        return to_object(first | vars(self))
