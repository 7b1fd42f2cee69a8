"""What the processes of a fit beside the first do: they compute their part of the features, and train with it.

What is decided, measured and written is the first one's. Its journal brings the others to where training begins, as it
would bring a fit that goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli.errors import ProcessLost, RunError, SightXError, TrainingError
from sightx_cli.features.shared_extraction import LOOK_EVERY_SECONDS, PATIENCE_SECONDS
from sightx_cli.features.store import FeatureStore
from sightx_cli.filesystem import FolderLock
from sightx_cli.journal.journal import Journal, read_journal
from sightx_cli.machine import sharing_processors
from sightx_cli.processes import Processes
from sightx_cli.progress import Silent
from sightx_cli.results.fit import FitResult
from sightx_cli.steps.preparation import Preparation

if TYPE_CHECKING:
    from sightx_cli.journal.points import Point
    from sightx_cli.train.keeper import Keeper

MARK = ".meeting-"
"""What the name of a file begins with that the first process writes, and the others look for."""
SHARED = "every machine reads the images, the run's folder and the cache (SIGHTX_CACHE) under the same paths"


def follow(processes: Processes) -> FitResult:
    """Train with the first process, and return its result."""
    preparation, folder = meet(processes, None, None)
    with sharing_processors(processes.local_count):
        from sightx_cli.steps.session import build_session
        from sightx_cli.steps.training_stages import train

        session, _ = build_session(preparation, Silent(), processes)
        facts, _ = read_journal(folder)
        try:
            train(preparation, session, Journal(folder, facts, FolderLock(folder)), Silent())
        except TrainingError as error:  # the first meets it too, in the same step
            raise ProcessLost from error
    result: FitResult | None = processes.share(None)
    assert result is not None, "the first process shares its result"
    return result


def meet(processes: Processes, preparation: Preparation | None, folder: Path | None) -> tuple[Preparation, Path]:
    """Give every process what the first has prepared, and the folder of its run, once all see the same files.

    Raises RunError in the first where another does not.
    """
    handed, marks = None, list[Path]()
    if preparation is not None and folder is not None:
        cache = preparation.store.folder.absolute() if preparation.store is not None else None
        for place in (folder.absolute(), *([cache] if cache is not None else [])):
            with contextlib.suppress(OSError):  # what cannot be written is said where it is needed
                mark = place / f"{MARK}{os.getpid()}"
                mark.touch()
                marks.append(mark)
        image = Path(preparation.frame["path"].iloc[0]).absolute()
        # what was decoded is the first one's, and so is its store of what does not fit in the cache
        kept = replace(preparation, store=None, pixels=None)
        handed = (kept, folder.absolute(), cache, [*marks, *([image] if image.exists() else [])])
    try:
        told = processes.share(handed)
        assert told is not None, "the first process shares what it has prepared"
        prepared, run, store, shown = told  # an image in an archive or a bucket is no path
        missing = next((path for path in shown if not wait_for_file(path)), None)
        found = processes.gather(missing)
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)
    for rank, path in enumerate(found):
        if path is not None:
            place = path.parent if path.name.startswith(MARK) else path
            raise agree_on(processes, RunError(f"{place}: not there for process {rank} of {processes.count}", SHARED))
    if preparation is not None:
        return preparation, run
    return replace(prepared, store=FeatureStore(store) if store is not None else None), run


def agree_on(processes: Processes, error: SightXError) -> SightXError:
    """Return what to raise for an error that all processes meet at once: the first one says it, for all."""
    return error if processes.is_first else ProcessLost()


def wait_for_file(path: Path) -> bool:
    """Wait for a path that another machine may just have written; False where it does not come."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not path.exists():
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_EVERY_SECONDS)
    return True


def join_at_point(keeper: Keeper, processes: Processes) -> Point | None:
    """Bring every process to the point of the journal where the first is; returns the point that others came by.

    None in the first itself, and where there is only one. Raises RunError where there is no such point.
    """
    if processes.is_alone:
        return None
    journal = keeper.journal
    wanted = processes.share(journal.points[-1].number if journal.points else None)
    point: Point | None = None
    if not processes.is_first and wanted is not None:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            with contextlib.suppress(RunError):  # between two writes, as another machine sees them
                journal.facts = read_journal(journal.folder)[0]
            numbers = [one.number for one in journal.points]
            if wanted in numbers:  # what comes after it is damaged
                journal.facts["points"] = journal.facts["points"][: numbers.index(wanted) + 1]
                point = keeper.go_on()
                break
            time.sleep(LOOK_EVERY_SECONDS)
    is_there = wanted is not None and (processes.is_first or (point is not None and point.number == wanted))
    if not all(processes.gather(is_there)):
        raise agree_on(processes, RunError(f"{journal.folder}: its journal does not reach every process", SHARED))
    return point
