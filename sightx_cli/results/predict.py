"""The result of `predict`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class PredictResult:
    """What was predicted, and where the table lies."""

    images: int
    unreadable: int
    output: Path
    run: Path
    seconds: Mapping[str, float]
    images_per_second: float
    counts: Mapping[str, int]
    """Images by the class named."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `predict`."""
        return to_object(vars(self))
