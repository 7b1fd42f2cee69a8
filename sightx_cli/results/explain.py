"""The result of `explain`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.progress import Notice
from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class ExplainedImage:
    """One image's heatmap of one class, or why there is none."""

    image: str
    prediction: str = ""
    confidence: float | None = None
    """The probability of the prediction; of the class shown where an image may have several labels."""
    status: str = ""
    """Whether the model is sure, as in the table of `predict`; "" where nothing tells."""
    class_name: str = ""
    """What the map shows: what speaks for this class."""
    picture: Path | None = None
    covered: float | None = None
    """The share of what moves the score that the map shows, 0 to 1."""
    is_exact: bool | None = None
    """Whether each place has exactly what it adds; else gradients estimate it."""
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of one of `images`."""
        fields = vars(self) | {"class": self.class_name, "exact": self.is_exact}
        return to_object({name: value for name, value in fields.items() if name not in ("class_name", "is_exact")})


@dataclass(frozen=True)
class ExplainResult:
    """The heatmaps that were drawn, and where they lie."""

    images: tuple[ExplainedImage, ...]
    """One for each image and class shown: an image of several labels has several."""
    folder: Path
    run: Path
    seconds: Mapping[str, float]
    unreadable: int = 0
    notices: tuple[Notice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `explain`."""
        return to_object({**vars(self), "model": self.run})
