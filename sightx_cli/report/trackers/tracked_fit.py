"""A fit's listener that passes each epoch on to trackers too; one that fails is left out, and the fit goes on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sightx_cli.progress import Listener, Relay
from sightx_cli.recipe.names import show_value
from sightx_cli.recipe.plan import Plan
from sightx_cli.report.trackers.interface import Tracker
from sightx_cli.results.fit import FitResult
from sightx_cli.runs import PICTURES

UNTRACKED = ("name", "summary", "explanation", "when", "notices")
"""Prose of a plan, which is no parameter."""
NO_FIGURES = ("epoch", "epochs")


class TrackedRelay(Relay):
    """Remembers what a result has of what was said, as `Relay`, and writes the fit to trackers as it goes."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener)
        self._trackers: list[Tracker] = []
        self._epochs = 0

    def follow(self, trackers: Sequence[Tracker]) -> None:
        """Write to these trackers from now on."""
        self._trackers = list(trackers)

    def begin(self, run: Path, plan: Plan) -> None:
        """Begin the fit of a run folder in every tracker, with the plan's values, and say how to look at them."""
        if not self._trackers:
            return
        parameters = {
            key: item.value if isinstance(item.value, str) else show_value(item.value)
            for key, item in plan.values.items()
            if item.value is not None and key.partition(".")[0] not in UNTRACKED
        }
        self._each(lambda tracker: self.note(f"tracked: {tracker.begin(run, parameters)} shows it"))

    def epoch(self, row: Mapping[str, float | int | str]) -> None:
        """Pass an epoch on, then write its figures."""
        self._listener.epoch(row)
        figures = {name: float(value) for name, value in row.items() if _is_figure(name, value)}
        self._each(lambda tracker: tracker.log_epoch(self._epochs, figures))
        self._epochs += 1

    def finish_tracking(self, result: FitResult) -> None:
        """Write the figures and pictures of the finished run."""
        parts = {"valid": result.valid} | ({"test": result.test} if result.test else {})
        figures = {
            f"{part}/{name}": value
            for part, found in parts.items()
            for name, value in found.metrics.items()
            if value is not None
        }
        drawn = {Path(name).stem: result.run / name for name in PICTURES if (result.run / name).is_file()}
        self._each(lambda tracker: tracker.finish(result.run, figures, drawn))

    def abort_tracking(self) -> None:
        """Close what is still open."""
        self._each(lambda tracker: tracker.abort())

    def _each(self, use: Callable[[Tracker], Any]) -> None:
        for tracker in list(self._trackers):
            try:
                use(tracker)
            except Exception as error:  # of any kind: a fit outweighs its track
                self._trackers.remove(tracker)
                reason = (str(error).splitlines() or [""])[0]
                self.warn(
                    f"--track {tracker.name} failed ({type(error).__name__}: {reason}): the fit goes on without it"
                )


def _is_figure(name: str, value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and name not in NO_FIGURES and math.isfinite(float(value))  # type: ignore[arg-type]
