"""The result of `probe`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ProbeResult:
    """What quick heads on cached features say about a recipe's choices, and about the network's stages."""

    recipe: str
    metric: str
    images: int
    choices: list[dict[str, Any]]
    chosen: dict[str, Any]
    """What departs from the recipe, by its dotted key."""
    evidence: list[str]
    skipped: list[str]
    depth: list[dict[str, Any]]
    """Of each stage, earliest first: the figure of a head on its output alone, and on all outputs up to it."""
    freezing: str
    """In one line, where freezing pays."""
    picture: Path
    budget_seconds: float
    seconds: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `probe`."""
        return {**vars(self), "picture": str(self.picture.absolute())}
