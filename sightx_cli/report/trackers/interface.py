"""What every tracker of experiments answers for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol


class Tracker(Protocol):
    """Writes one fit to a store on this disk: its parameters, then each epoch's figures, then its end.

    Any of these may raise: the fit goes on without the tracker (see `tracked_fit`).
    """

    name: ClassVar[str]
    """What `--track` takes; the extra of its package has the same name."""
    package: ClassVar[str]
    """What must be installed."""

    def begin(self, run: Path, parameters: Mapping[str, str]) -> str:
        """Begin the fit of a run folder, or begin it again where it goes on; says how to look at the store."""

    def log_epoch(self, step: int, figures: Mapping[str, float]) -> None:
        """Write the figures of one epoch; `step` counts the epochs of the whole fit from 0, the solved head."""

    def finish(self, run: Path, figures: Mapping[str, float], pictures: Mapping[str, Path]) -> None:
        """Write the final figures and pictures of the finished run, by name, and close; `run` is where it lies now."""

    def abort(self) -> None:
        """Close the store of a fit that ended without a run; nothing where it never began, or has finished."""
