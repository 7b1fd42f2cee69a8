"""The result of `lr-find`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LrFindResult:
    """What the learning-rate finder found for a stage."""

    stage: str
    suggestions: dict[str, float]
    chosen: float
    plot: Path
    seconds: dict[str, float]
    rates: list[float]
    losses: list[float]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `lr-find`."""
        return {
            "stage": self.stage,
            "suggestions": self.suggestions,
            "chosen": self.chosen,
            "plot": str(self.plot.absolute()),
            "seconds": self.seconds,
            "rates": self.rates,
            "losses": self.losses,
        }
