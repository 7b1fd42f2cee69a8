"""`predict --watch`: label the images of a folder that fills, each as it arrives. Never imports torch."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sightx_cli.api.load_model import load_model
from sightx_cli.bundle.judgement import UNFAMILIAR, UNSURE
from sightx_cli.bundle.live_table import (
    ARRIVED,
    IMAGE,
    LiveColumns,
    LiveTable,
    check_live_output,
    parse_time,
    plan_live_columns,
)
from sightx_cli.bundle.memory_model import Model
from sightx_cli.bundle.model_remarks import find_untold
from sightx_cli.bundle.sorted_folder import SortedFolder
from sightx_cli.bundle.table import STATUS, find_parts, locking_table, sweep_lock
from sightx_cli.data.arrivals import POLL_SECONDS, Arrival, Arrivals, read_state
from sightx_cli.data.pixel_notices import PixelTally
from sightx_cli.errors import DataError, UsageError, quote
from sightx_cli.filesystem import check_place
from sightx_cli.progress import Listener, Notice, Relay, Silent
from sightx_cli.results.watch import Latency, WatchResult
from sightx_cli.startup.termination import holding_interrupts, name_interrupt

TOGETHER = 16
"""Images between two looks at the folder, and the most that Ctrl-C waits for."""
REMEMBERED = 100_000
"""Latencies that the figures are of."""
ASKED = "asked"


def watch(
    folder: str | Path,
    *,
    model: str | Path | Model | None = None,
    output: str | Path = Path("predictions.csv"),
    move_to: str | Path | None = None,
    overwrite: bool = False,
    abstain: bool = False,
    tta: int | None = None,
    stop: threading.Event | None = None,
    listener: Listener | None = None,
) -> WatchResult:
    """Label the images in a folder and those that arrive there, until it is stopped.

    The model is a run's, the newest by default, or one that is loaded (see `load_model`).

    Each file is labelled once, when it has stood still, in the order of its time of change, then of its name; again
    only if its content changes. Its row is in the table at `output`, a CSV file, at once. A table that this model began
    is gone on with: what has a row is not labelled again. With `overwrite` it begins anew. With `move_to` each file is
    moved to a folder of its class there, after its row is written. Ctrl-C, SIGTERM (where the caller heeds it) and
    `stop` end it after the images at work. Raises SightXError for anything wrong in the input.
    """
    began = time.perf_counter()
    relay = Relay(listener or Silent())
    folder, output = Path(folder), Path(output)
    place = check_places(folder, output, move_to, overwrite)
    loaded = model if isinstance(model, Model) else load_model(model, tta=tta)
    columns = plan_live_columns(loaded.facts, abstain, loaded.predictor.views)
    for notice in find_untold(loaded.facts):
        relay.notice(notice)
    with opening_table(output, columns, overwrite) as table:
        work = Watch(loaded, table, folder.resolve(), place, relay)
        stopped = work.run(stop or threading.Event())
    return work.build_result(stopped, abstain, began)


@contextmanager
def opening_table(output: Path, columns: LiveColumns, overwrite: bool) -> Iterator[LiveTable]:
    """Open a growing table for this process alone, and leave nothing beside it, however the block ends."""
    with ExitStack() as last, locking_table(output):
        last.callback(sweep_lock, output)  # when the lock is free again
        table = LiveTable(output, columns, overwrite)
        try:
            yield table
        finally:
            table.close()


def check_places(folder: Path, output: Path, move_to: str | Path | None, overwrite: bool) -> Path | None:
    """Check the folder that is watched and what is written, before any work; returns where files are moved to."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "no such folder"
        raise DataError(f"--watch {folder}: {what}", "give the folder that the images arrive in")
    check_live_output(output, overwrite)
    if move_to is None:
        return None
    place = Path(move_to)
    if place.exists() and not place.is_dir():
        raise UsageError(f"--move-to {place}: is a file", "name a folder")
    watched = folder.resolve()
    if place.resolve() in (watched, *watched.parents):
        what = "is" if place.resolve() == watched else "holds"
        beside = watched.with_name(f"{watched.name}-labelled")
        raise UsageError(f"--move-to {place}: {what} the folder that is watched", f"--move-to {quote(beside)}")
    check_place("--move-to", place)
    return place.resolve()


@dataclass
class Watch:
    """A folder that is being watched, and what was done so far."""

    model: Model
    table: LiveTable
    folder: Path
    place: Path | None
    relay: Relay
    counts: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    images: int = 0
    before: int = 0
    unreadable: int = 0
    moved: int = 0
    waiting: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    arrived: int = 0

    def __post_init__(self) -> None:
        """Read the rows that are there."""
        self.task = f"watching {self.folder}"
        self._sorted = None if self.place is None else SortedFolder(self.place, self.model.facts.task)
        self._tally, self._said = PixelTally(self.model.facts.reading), set[str]()
        self._column = self.model.facts.task.columns[0]
        self._unmoved: dict[str, dict[str, str]] = {}
        known: dict[str, int] = {}
        for row in self.table.read_rows():
            self.before += 1
            known[row[IMAGE]] = parse_time(row[ARRIVED])
            if self._sorted is not None and os.path.lexists(row[IMAGE]):
                self._unmoved[row[IMAGE]] = dict(row)
        ours = [self.table.output, find_parts(self.table.output), *([] if self.place is None else [self.place])]
        self.arrivals = Arrivals(self.folder, known, ours, self.relay)

    def run(self, stop: threading.Event) -> str:
        """Label what arrives until it is stopped; returns what stopped it."""
        self.relay.note(f"watching {self.folder} with {self.model.run}: Ctrl-C ends it")
        self.relay.start(self.task, None, "images")
        if self.table.removed:
            text = "half a row, cut off while it was written, was taken out of the table; its image is labelled anew"
            self.relay.notice(Notice("half-row", text, 1))
        if self.before:
            text = f"going on with {self.table.output}: {self.before:,} rows are there, and not labelled again"
            self.relay.notice(Notice("going-on", text, self.before))
        try:
            with holding_interrupts():
                self._move_left_over()
            while not stop.is_set():
                self.arrivals.poll()
                some = self.arrivals.take(TOGETHER)
                if some:
                    with holding_interrupts():
                        self._label(some)
                else:
                    stop.wait(POLL_SECONDS)
            return ASKED
        except KeyboardInterrupt as interrupt:
            return name_interrupt(interrupt)
        finally:
            self.relay.finish(self.task)

    def _label(self, some: Sequence[Arrival]) -> None:
        rows: list[tuple[Arrival, dict[str, Any]]] = []
        predictions = self.model.ask([(one.path, Path(one.path)) for one in some])
        for one, prediction in zip(some, predictions, strict=True):
            if self.arrivals.has_changed(one):
                self.arrivals.await_again(one)
                continue
            if prediction.error and self.arrivals.postpone(one):
                continue
            row = self.table.columns.build_row(one, prediction)
            self.table.write(row)
            self.arrivals.keep(one)
            rows.append((one, row))
            if prediction.found is not None:
                self._tally.add(one.path, prediction.found)
            self._count(one, row)
        if self._sorted is not None and rows:
            self.table.flush()  # a power cut may lose a row, but none of a file that is gone from here
            for one, row in rows:
                if self.arrivals.has_changed(one):  # while the others were labelled: what it holds now has no row
                    self.arrivals.await_again(one)
                elif self._move(Path(one.path), row):
                    self.arrivals.forget(one)
        self._say_found()

    def _count(self, one: Arrival, row: dict[str, Any]) -> None:
        self.images += 1
        self.statuses[row[STATUS]] += 1
        if row["error"]:
            self.unreadable += 1
        elif row[self._column]:
            self.counts.update(self.model.facts.task.split_prediction(row[self._column]))
        if one.is_new:
            self.arrived += 1
            self.latencies.append(max(time.time() - one.arrived, 0.0))
        self.relay.advance(self.task)

    def _move_left_over(self) -> None:
        """Move the files that have their row and were not moved before the last end."""
        for path, row in self._unmoved.items():
            state = read_state(path)
            if state is not None and state.st_mtime_ns // 1000 * 1000 == parse_time(row[ARRIVED]):
                self._move(Path(path), row)
        self._unmoved.clear()

    def _move(self, path: Path, row: dict[str, Any] | dict[str, str]) -> bool:
        assert self._sorted is not None
        try:
            is_moved = self._sorted.move(path, row) != path
        except OSError as error:
            text = f"files that cannot be moved stay where they are, such as {path} ({error.strerror or error})"
            self._say("unmoved", text)
            return False
        self.moved += is_moved
        return is_moved

    def _say_found(self) -> None:
        """Say what was found in the files, each kind when it is first met."""
        for notice in self._tally.list_notices(can_change=False):
            if notice.kind not in self._said:
                self._said.add(notice.kind)
                self.relay.notice(notice)

    def _say(self, kind: str, text: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self.relay.notice(Notice(kind, text, warns=True))

    def build_result(self, stopped: str, abstains: bool, began: float) -> WatchResult:
        """Build the result of all that was done."""
        p50, p95 = (float(one) for one in np.quantile(self.latencies, (0.5, 0.95))) if self.latencies else (None, None)
        return WatchResult(
            folder=self.folder,
            images=self.images,
            before=self.before,
            unreadable=self.unreadable,
            unsure=self.statuses[UNSURE],
            unfamiliar=self.statuses[UNFAMILIAR],
            abstained=abstains,
            waiting=self.arrivals.count_waiting(),
            moved=self.moved,
            output=self.table.output,
            move_to=self.place,
            run=self.model.run,
            counts={name: self.counts[name] for name in self.model.classes},
            latency=Latency(
                self.arrived, None if p50 is None else round(p50, 3), None if p95 is None else round(p95, 3)
            ),
            seconds={"total": round(time.perf_counter() - began, 3)},
            stopped=stopped,
            notices=tuple(self.relay.notices),
        )
