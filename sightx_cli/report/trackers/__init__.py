"""Trackers of experiments, for those who live in them: each a file here, each with a store of its own on this disk.

A new one is a file with a class that has `Tracker`'s name, package and methods, and a line in `TRACKERS`. None sends
anything anywhere.
"""

from __future__ import annotations

from importlib.util import find_spec

from sightx_cli.errors import UsageError
from sightx_cli.report.trackers.interface import Tracker
from sightx_cli.report.trackers.mlflow_store import MlflowStore
from sightx_cli.report.trackers.tensorboard_events import TensorboardEvents

TRACKERS: dict[str, type[Tracker]] = {one.name: one for one in (TensorboardEvents, MlflowStore)}
"""Every tracker there is, by the name that `--track` takes."""


def read_tracker_names(flag: str, value: object) -> str:
    """Read names with commas between them, each once. Raises UsageError for one that is not known."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else []
    if not parts or not set(parts) <= TRACKERS.keys():
        raise UsageError(f"{flag} is '{value}': allowed are {', '.join(TRACKERS)}, or both", f"{flag} tensorboard")
    return ",".join(dict.fromkeys(parts))


def build_trackers(names: str | None) -> list[Tracker]:
    """Build the trackers of these names. Raises UsageError where the package of one is not installed."""
    trackers = [TRACKERS[name]() for name in names.split(",")] if names else []
    for tracker in trackers:
        if find_spec(tracker.package) is None:
            raise UsageError(
                f"--track {tracker.name} needs the package {tracker.package}, which is not installed",
                f'type pip install "sightx-cli[{tracker.name}]", or leave --track out',
            )
    return trackers
