"""The result of `predict`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PredictResult:
    """What was predicted, and where the table lies."""

    images: int
    unreadable: int
    output: Path
    run: Path
    seconds: dict[str, float]
    images_per_second: float
    counts: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `predict`."""
        return {
            "images": self.images,
            "unreadable": self.unreadable,
            "output": str(self.output.absolute()),
            "run": str(self.run),
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
            "counts": self.counts,
        }
