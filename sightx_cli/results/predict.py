"""The result of `predict`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.progress import Notice
from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class PredictResult:
    """What was predicted, and where the table lies."""

    images: int
    """The rows asked for: an image that two rows name counts twice."""
    unreadable: int
    output: Path
    run: Path
    """The run whose model predicted."""
    seconds: Mapping[str, float]
    images_per_second: float
    counts: Mapping[str, int]
    """Images by the class named."""
    unsure: int = 0
    """Images of which more than the prediction may be true, at the level of the model."""
    unfamiliar: int = 0
    """Images unlike those that the model learned from."""
    abstained: bool = False
    """Whether those have no prediction."""
    decision: Mapping[str, Any] | None = None
    """The stored threshold that was applied: positive, threshold, chosen and on; None where there is none."""
    files: int = 0
    """The different files among the rows."""
    figure: tuple[str, float] | None = None
    """The name and the value of the figure that the run is known by, on its validation images; None if it has none."""
    heatmaps: Path | None = None
    """The folder of heatmaps, where they were asked for."""
    annotations: Path | None = None
    """The folder of annotations for another tool, where they were asked for."""
    notices: tuple[Notice, ...] = ()
    workers: int = 0
    """The workers of a Ray cluster that predicted; 0 where this process did."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `predict`."""
        figure = None if self.figure is None else {"metric": self.figure[0], "value": self.figure[1]}
        notices = [notice.to_json() for notice in self.notices]
        return to_object({**vars(self), "model": self.run, "figure": figure, "notices": notices})
