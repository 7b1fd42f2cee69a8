"""The results of `runs list`, `show`, `forget`, `delete` and `clean`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightx_cli.results.fit import BestEpoch
from sightx_cli.results.json_form import to_object

if TYPE_CHECKING:
    from sightx_cli.metrics.class_report import ClassFigures
    from sightx_cli.metrics.intervals import Interval

FINISHED, UNFINISHED = "finished", "unfinished"
ENDED_EARLY = "interrupted"
"""The state of a run that was finished from its best epoch when it was stopped, and can go on."""
IN_TRAINING = "being trained"
"""The state of a run that a process works on."""


@dataclass(frozen=True)
class RunSummary:
    """What a list of runs says of one."""

    run: Path
    state: str
    """finished, interrupted, unfinished or being trained."""
    is_latest: bool
    """Whether `runs/latest` names it."""
    recipe: str | None
    """None where it was not decided yet."""
    images: Mapping[str, int]
    """How many in each part; empty where that was not decided yet."""
    best: BestEpoch | None
    """The best epoch, so far where training has not ended; None where there is none yet."""
    figure: float | None
    """The figure of the metric that chose it, on the valid part."""
    reached: str
    """Where training stands, if it has not ended: head, epoch 2 of 8."""
    bytes_on_disk: int
    when: datetime
    """When it was finished, or kept last."""

    def to_json(self) -> dict[str, Any]:
        """Return the run's entry in the JSON of the list."""
        fields = {"name": self.run.name, **vars(self), "metric": self.best.metric if self.best else None}
        fields |= {"latest": fields.pop("is_latest"), "bytes": fields.pop("bytes_on_disk")}
        return to_object(fields)


@dataclass(frozen=True)
class Leftover:
    """What a process that was killed left in a folder of runs."""

    path: Path
    bytes_on_disk: int
    when: datetime
    """When it was last changed."""

    def to_json(self) -> dict[str, Any]:
        """Return its entry in the JSON of the list."""
        return to_object({"path": self.path, "bytes": self.bytes_on_disk, "when": self.when})


@dataclass(frozen=True)
class RunListing:
    """The runs in a folder, the newest first, and what else takes space there."""

    folder: Path
    latest: Path | None
    """The run that its `latest` names, wherever that lies, even if it is gone."""
    runs: tuple[RunSummary, ...]
    leftovers: tuple[Leftover, ...]

    @property
    def total_bytes(self) -> int:
        """What all of it holds on disk."""
        runs = sum(one.bytes_on_disk for one in self.runs)
        return runs + sum(one.bytes_on_disk for one in self.leftovers)

    def suggest(self) -> tuple[str, str]:
        """Give the command to type next, and why."""
        words = ["sightx", "runs", "clean", *([] if self.folder == Path("runs") else [str(self.folder)])]
        clean = shlex.join(words)
        if any(one.state == UNFINISHED for one in self.runs):
            return "sightx fit --resume RUN", f"goes on with one; {clean} removes what is unfinished"
        if self.leftovers:
            return clean, "removes what is left over, after a question"
        if any(one.state == ENDED_EARLY for one in self.runs):
            return "sightx fit --resume RUN", "goes on with one that was interrupted"
        if self.runs:
            return "sightx runs show RUN", "shows one with its figures and files"
        return "sightx fit DATA", "makes one"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `runs list`, times in ISO form."""
        return to_object({**vars(self), "total_bytes": self.total_bytes})


@dataclass(frozen=True)
class KeptFigures:
    """The figures of one part as the run has them, and their 95 % intervals."""

    metrics: Mapping[str, float | None]
    intervals: Mapping[str, Interval | None]
    images: int | None
    intervals_by: str = "images"
    """What the intervals count as independent evidence: images, or groups of them."""
    classes: tuple[ClassFigures, ...] = ()
    """The figures of each class."""


@dataclass(frozen=True)
class RunDetails:
    """All that `runs show` says of one run."""

    summary: RunSummary
    command: str | None
    """The command that made it, with paths that hold anywhere; None where the run does not say."""
    sentence: str
    """Why it was trained so; empty where nothing was decided yet."""
    parts: Mapping[str, KeptFigures]
    """The figures by part, valid first; empty of an unfinished run."""
    selected_on: bool
    """Whether the best epoch was chosen on the valid part."""
    files: Mapping[str, int]
    """The bytes of each file; a folder, with a slash after its name, as one."""
    next: str
    """The command to type next; empty while the run is being trained."""
    next_why: str

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `runs show`."""
        own = {name: value for name, value in vars(self).items() if name != "summary"}
        return self.summary.to_json() | to_object(own)


@dataclass(frozen=True)
class RemovalItem:
    """One thing to remove: a run, or a leftover."""

    path: Path
    what: str
    """In a word or more: finished, unfinished at stage: head, epoch 2 of 8."""
    bytes_on_disk: int
    others: tuple[str, ...] = ()
    """What lies in it that no fit made."""


@dataclass(frozen=True)
class Removal:
    """What is to be removed, and the command that does so without a question."""

    items: tuple[RemovalItem, ...]
    command: str

    @property
    def total_bytes(self) -> int:
        """What all of it holds on disk."""
        return sum(item.bytes_on_disk for item in self.items)


@dataclass(frozen=True)
class RemovalResult:
    """What was removed; nothing where the answer was no."""

    removed: tuple[Path, ...]
    bytes_freed: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `runs delete` and `runs clean`."""
        return to_object(vars(self))


@dataclass(frozen=True)
class ForgottenThreshold:
    """A stored threshold that was taken back."""

    run: Path
    decision: Mapping[str, Any]
    """What it was: positive, threshold, chosen and on."""
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON contract of `runs forget`."""
        return to_object(vars(self))
