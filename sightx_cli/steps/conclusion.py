"""The end of a fit: what is trained is measured, and written as a run; where its disk is full, on another."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sightx_cli import runs
from sightx_cli.errors import RunError
from sightx_cli.filesystem import is_full
from sightx_cli.journal.journal import Journal
from sightx_cli.progress import Listener, Relay
from sightx_cli.results.fit import BestEpoch, FitResult, PrefixFacts
from sightx_cli.results.leaks import CopiesAcross
from sightx_cli.steps.kept_epoch import describe_lost_figures
from sightx_cli.steps.preparation import Preparation
from sightx_cli.steps.recognition import describe_missed, find_missed

if TYPE_CHECKING:
    from sightx_cli.engine.choice import EngineChoice
    from sightx_cli.steps.crossvalidation import Validated
    from sightx_cli.train.state import Session

UNKEPT = PrefixFacts("none", None, "nothing is frozen, or --no-cache: every layer runs each epoch", False, 0)

BESIDE_WEIGHTS_BYTES = 5_000_000
"""Room for what a run has beside weights: plots, tables, the graph's text."""


@dataclass(frozen=True)
class Trained:
    """A session whose model has the weights of the best epoch, and all that the run tells about it."""

    preparation: Preparation
    session: Session
    engine: EngineChoice
    copies: CopiesAcross | None
    validated: Validated | None
    stopped: str
    """What ended the training early; empty if nothing did."""
    factor: float
    """On the recipe's rates."""
    seconds: Mapping[str, float]
    began: float
    """On the clock of `perf_counter`."""


def conclude(trained: Trained, journal: Journal, listener: Relay) -> FitResult:
    """Measure the finished model and write the run; on another disk where that of the run is full.

    Raises OSError or RunError where no disk has room; the journal then still has the training.
    """
    try:
        result = write_result(trained, journal.make_result_folder(), journal.destination, listener)
        return replace(result, run=journal.finish(journal.result, bool(trained.stopped)))
    except Exception as error:
        if not is_full(error):
            raise
        place = find_room(journal.folder, measure_needed(trained.session))
        if place is None:
            raise
        listener.warn(f"no space left at {journal.folder}: the run is written to {place}")
        aside = place.rename(place.with_name(f".{place.name}"))  # hidden until it is whole
        try:
            result = write_result(trained, aside, place, listener)
            aside.rename(place)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        if not trained.stopped:  # else the journal can go on from where it was stopped
            journal.remove()
        return result


def write_result(trained: Trained, folder: Path, destination: Path, listener: Relay) -> FitResult:
    """Measure the finished model and write all files of the run into an empty folder, whose run will lie elsewhere."""
    from sightx_cli.steps.evaluation import prove
    from sightx_cli.steps.run_comparison import compare_with_earlier, say_kept
    from sightx_cli.steps.run_files import write_run

    preparation, session, engine = trained.preparation, trained.session, trained.engine
    clock = time.perf_counter()
    proof = prove(preparation, session, trained.validated, folder / runs.BUNDLE, listener)
    valid, test = proof.valid, proof.test
    retraining = say_kept(compare_with_earlier(preparation, folder, session.metric, listener), session, listener)
    if cost := describe_lost_figures(session.history, session.metric, session.task.headline):
        listener.notice(cost)
    report = [part.report.classes for part in (valid, test) if part is not None]
    if never := describe_missed(find_missed(report), preparation.recipe, preparation.fingerprint.imbalance_ratio):
        listener.notice(never)
    now = time.perf_counter()
    seconds = {**trained.seconds, "measure": now - clock, "total": now - trained.began}
    kept, validated = session.kept, trained.validated
    result = FitResult(
        run=destination,
        recipe=preparation.recipe.name,
        reason=preparation.plan.reason,
        images={"train": len(session.train), "valid": len(session.valid)},
        task=session.task.kind,
        classes=session.task.classes,
        valid=valid,
        selected_on=len(session.history) > 1,  # else there was nothing to choose between
        test=test,
        seconds={name: round(value, 3) for name, value in seconds.items()},
        prefix=PrefixFacts(engine.name, engine.precision, engine.why, not kept.computed, len(kept.train_views))
        if kept
        else UNKEPT,
        unreadable=tuple(f"{item.image} {item.error}" for item in preparation.unreadable),
        stopped=trained.stopped,
        best=BestEpoch(session.best.stage, session.best.epoch, session.metric),
        probe=preparation.probed,
        leaks=replace(preparation.leaks, copies=trained.copies) or None,
        cross_validation=validated.cross.figures if validated else None,
        retraining=retraining,
        calibration=proof.settled.calibration,
        abstention=proof.settled.abstention,
    )
    return write_run(folder, preparation, session, engine, result, trained.factor, validated, listener)


def measure_needed(session: Session) -> int:
    """Return the most bytes that a run of this session takes: its bundle, and the journal while it trains.

    The bundle has the weights twice, the graph's among them; a point of the journal has what trains with two moments
    each, and of the best epoch the weights; there are two points, and a third while it is written.
    """
    whole = measure_weights(session)
    return 2 * whole + 3 * (3 + 1) * whole + BESIDE_WEIGHTS_BYTES


def measure_weights(session: Session) -> int:
    """Return the bytes of a model's weights."""
    sizes: list[int] = [tensor.nbytes for tensor in session.model.state_dict().values()]
    return sum(sizes)


def check_room(folder: Path, session: Session, listener: Listener) -> None:
    """Raise RunError before any work where the disk has no room for the bundle; warn where the journal may not."""
    needed, free = measure_needed(session), shutil.disk_usage(folder).free
    if free >= needed:
        return
    least = 2 * measure_weights(session) + BESIDE_WEIGHTS_BYTES
    if free < least:
        raise RunError(
            f"{folder}: {free / 1e6:,.0f} MB are free there, and the run needs {least / 1e6:,.0f}",
            "free some space, or choose a folder on another disk with --out",
        )
    listener.warn(
        f"{free / 1e6:,.0f} MB are free at {folder}: its journal, to go on with after a crash, may need up to "
        f"{needed / 1e6:,.0f}"
    )


def find_room(full: Path, needed_bytes: int) -> Path | None:
    """Make a folder for a run on a disk that has room, and is not that of `full`; None if there is none."""
    for base in (Path.cwd(), Path.home(), Path(tempfile.gettempdir())):
        try:
            if base.stat().st_dev != full.stat().st_dev and shutil.disk_usage(base).free > needed_bytes:
                place = runs.find_free(base / f"sightx-{full.name}")
                place.mkdir()
                return place
        except OSError:
            continue
    return None
