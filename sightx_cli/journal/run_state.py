"""What the files of a run say of it, whichever state it is in."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.errors import RunError
from sightx_cli.filesystem import is_locked, measure_folder, read_ordinary
from sightx_cli.journal.journal import FORMAT_VERSION, read_journal
from sightx_cli.journal.points import Point
from sightx_cli.progress import Listener
from sightx_cli.results.fit import BestEpoch
from sightx_cli.results.runs import ENDED_EARLY, FINISHED, IN_TRAINING, UNFINISHED, RunSummary

Facts = dict[str, Any]


def find_state(folder: Path) -> str:
    """Find the state of a run."""
    if is_locked(folder):
        return IN_TRAINING
    if runs.is_unfinished(folder) or not (folder / runs.BUNDLE / runs.BUNDLE_FACTS).exists():
        return UNFINISHED
    return ENDED_EARLY if (folder / runs.JOURNAL).exists() else FINISHED


def read_summary(folder: Path, latest: Path | None, listener: Listener) -> RunSummary:
    """Read what a list says of a run; warns of each file that cannot be read, and goes on without it."""
    state = find_state(folder)
    journal = read_run_journal(folder, listener) if state != FINISHED else {}
    is_readable = journal.get("format") == FORMAT_VERSION
    points = [Point(**point) for point in journal["points"]] if is_readable else []
    if state == FINISHED or (journal.get("usable") and state == ENDED_EARLY):
        best, figure = read_best(folder, listener)
    else:
        best, figure = read_best_so_far(folder, points, state, listener)
    found = read_facts(folder / runs.FINGERPRINT, listener)
    written = folder / (runs.METRICS if state == FINISHED else runs.JOURNAL)
    return RunSummary(
        run=folder,
        state=state,
        is_latest=latest is not None and folder.resolve() == latest.resolve(),
        recipe=dig(read_facts(folder / runs.PLAN, listener), "recipe"),
        images=dig(found, "parts") or {},
        best=best,
        figure=figure,
        reached=points[-1].describe() if points else "",
        bytes_on_disk=measure_folder(folder),
        when=read_time(written if written.exists() else folder),
    )


def read_run_journal(folder: Path, listener: Listener) -> Facts:
    """Read the facts of a run's journal; empty, with a warning, where it is damaged."""
    try:
        facts, said = read_journal(folder)
    except RunError as error:
        listener.warn(error.message)
        return {}
    if said:
        listener.warn(said)
    return facts


def read_best(folder: Path, listener: Listener) -> tuple[BestEpoch | None, float | None]:
    """Read the best epoch of a run that predicts, and the figure of the metric that chose it."""
    found = read_facts(folder / runs.METRICS, listener)
    stage, epoch, metric = (dig(found, "best", name) for name in ("stage", "epoch", "metric"))
    if metric is None:
        return None, None
    return BestEpoch(stage, epoch, metric), dig(found, "valid", "metrics", metric)


def read_best_so_far(
    folder: Path, points: list[Point], state: str, listener: Listener
) -> tuple[BestEpoch | None, float | None]:
    """Read the best epoch that the journal keeps, and its figure of the metric that chooses."""
    metric = dig(read_facts(folder / runs.PLAN, listener), "values", "training.metric", "value")
    if not points or not points[-1].best or metric is None:
        return None, None
    path = folder / runs.CHECKPOINT / points[-1].best
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            facts = json.loads(file.metadata()["facts"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        if state != IN_TRAINING:  # there the next epoch may have just replaced it
            listener.warn(f"{path} cannot be read ({error})")
        return None, None
    return BestEpoch(facts["stage"], facts["epoch"], metric), dig(facts, "figures", metric)


def read_facts(path: Path, listener: Listener) -> Facts:
    """Read a JSON file of a run: empty where it has none, and, with a warning, where that is damaged."""
    try:
        return dict(json.loads(read_ordinary(path)))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        listener.warn(f"{path} cannot be read ({error})")
        return {}


def dig(found: Any, *names: str) -> Any:
    """Return what lies under these names, one within the other; None where nothing does."""
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def read_time(path: Path) -> datetime:
    """Return when a file or folder was last changed, in local time."""
    return datetime.fromtimestamp(path.lstat().st_mtime).astimezone()
