"""The result of `lr-find`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class FoundRates:
    """The finder's curve (rates of the head, smoothed losses), what it suggests by name, and what is taken."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestions: Mapping[str, float | None]
    """valley, steep and minimum; None where the curve has no such point."""
    recipe_rate: float
    """The head's rate in the recipe."""
    chosen: float
    """The rate that is taken: the valley, or the recipe's where the curve tells nothing better."""
    why: str
    """Why it is taken, in a sentence."""

    @property
    def marks(self) -> dict[str, float]:
        """The rates to mark on the curve by name, the recipe's among them."""
        return {name: rate for name, rate in self.suggestions.items() if rate} | {"recipe": self.recipe_rate}


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
