"""The result of watching a folder that fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightx_cli.progress import Notice
from sightx_cli.results.json_form import to_object


@dataclass(frozen=True)
class Latency:
    """How long images took from their arrival to their row, in seconds; of the latest hundred thousand."""

    images: int
    """Those that arrived while the folder was watched."""
    p50_s: float | None
    """None where there was none."""
    p95_s: float | None


@dataclass(frozen=True)
class WatchResult:
    """What was labelled until the watching ended, and where the table lies."""

    folder: Path
    images: int
    """The rows added by this call."""
    before: int
    """The rows that were there already."""
    unreadable: int
    unsure: int
    unfamiliar: int
    abstained: bool
    """Whether the last two have no prediction."""
    waiting: int
    """Images that were there at the end, and had not stood still or come to their turn: the next call labels them."""
    moved: int
    output: Path
    move_to: Path | None
    run: Path
    counts: Mapping[str, int]
    """Images by the class named."""
    latency: Latency
    seconds: Mapping[str, float]
    stopped: str
    """What ended it: "interrupted" (Ctrl-C), "terminated" (SIGTERM), or "asked" (by the caller)."""
    notices: tuple[Notice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `predict --watch`."""
        notices = [notice.to_json() for notice in self.notices]
        return to_object({**vars(self), "model": self.run, "notices": notices})
