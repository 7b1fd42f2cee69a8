"""`list_runs`, `show_run`, `forget_threshold`, `delete_runs`, `clean_runs`: runs in a folder, what else lies there."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.errors import RunError
from sightx_cli.filesystem import is_locked
from sightx_cli.journal.leftovers import list_leftovers, recover_runs
from sightx_cli.journal.removal import Agree, is_folder, measure_item, remove, shorten
from sightx_cli.journal.run_state import dig, read_facts, read_run_journal, read_summary, read_time
from sightx_cli.metrics.class_report import ClassFigures
from sightx_cli.progress import Listener, Silent
from sightx_cli.results.runs import (
    ENDED_EARLY,
    FINISHED,
    IN_TRAINING,
    UNFINISHED,
    ForgottenThreshold,
    KeptFigures,
    Leftover,
    Removal,
    RemovalItem,
    RemovalResult,
    RunDetails,
    RunListing,
    RunSummary,
)
from sightx_cli.steps.resumption import write_command
from sightx_cli.version import VERSION

CLASS_FIELDS = tuple(field.name for field in fields(ClassFigures))
"""What a run keeps of each class."""


def list_runs(folder: str | Path = runs.RUNS, *, listener: Listener | None = None) -> RunListing:
    """List the runs in a folder, the newest first, and what killed processes left there.

    What cannot be read of a run is said to the listener. Raises RunError where the folder is none of runs.
    """
    folder, listener = _check_folder(folder), listener or Silent()
    recover_runs(folder, listener)
    latest = runs.read_latest(folder)
    found = [read_summary(one, latest, listener) for one in runs.list_runs(folder)]
    for within in sorted(folder.iterdir()) if folder.is_dir() else ():
        if _has_runs(within):
            listener.note(f"{within} has runs of its own: sightx runs list {shlex.quote(str(within))}")
    left = tuple(Leftover(one, measure_item(one), read_time(one)) for one in list_leftovers(folder))
    return RunListing(folder, latest, tuple(sorted(found, key=lambda one: one.when, reverse=True)), left)


def show_run(run: str | Path | None = None, *, listener: Listener | None = None) -> RunDetails:
    """Show a run, finished or not, the newest finished one by default: figures, files, its command and the next.

    `run` is its folder, or its name in `runs/`. Raises RunError where there is none.
    """
    listener = listener or Silent()
    if run is None and runs.read_latest() is None and (begun := runs.list_runs()):
        command = shlex.join(["sightx", "runs", "show", begun[-1].name])
        raise RunError(f"no run in {runs.RUNS.absolute()} is finished yet", f"{command} shows one that was begun")
    folder = runs.find_run(None) if run is None else _find_run(run)
    summary = read_summary(folder, runs.read_latest(), listener)
    plan, figures = (read_facts(folder / name, listener) for name in (runs.PLAN, runs.METRICS))
    journal = read_run_journal(folder, Silent()) if summary.state != FINISHED else {}  # the summary warned of it
    options = dig(journal, "options")
    command = write_command(options) if options and journal["sightx"] == VERSION else dig(plan, "command")
    parts = (
        {} if summary.state == UNFINISHED else {name: figures[name] for name in ("valid", "test") if name in figures}
    )
    following, why = _say_next(summary, journal.get("sightx"), command)
    return RunDetails(
        summary=summary,
        command=command,
        sentence=dig(plan, "sentence") or "",
        parts={name: _read_figures(one) for name, one in parts.items()},
        selected_on=bool(parts) and bool(figures.get("selected_on")),
        files={one.name + "/" * one.is_dir(): measure_item(one) for one in sorted(folder.iterdir())},
        next=following,
        next_why=why,
    )


def _read_figures(part: Mapping[str, Any]) -> KeptFigures:
    return KeptFigures(
        dig(part, "metrics") or {},
        dig(part, "intervals") or {},
        dig(part, "images"),
        dig(part, "intervals_by") or "images",
        tuple(ClassFigures(**{name: one.get(name) for name in CLASS_FIELDS}) for one in dig(part, "classes") or ()),
    )


def _say_next(summary: RunSummary, version: str | None, command: str | None) -> tuple[str, str]:
    """Say what to type next, and what it does."""
    near = shorten(summary.run)
    model = [] if summary.is_latest else ["--model", near]
    predict = shlex.join(["sightx", "predict", "FOLDER", *model])
    if summary.state == FINISHED:
        return predict, "labels new images with this run"
    if summary.state == IN_TRAINING:
        return "", ""
    if version == VERSION:
        more = f"; {predict} uses its best epoch so far" if summary.state == ENDED_EARLY else ""
        return runs.write_resume(summary.run), f"goes on with it{more}"
    if summary.state == ENDED_EARLY:
        return predict, "labels new images with its best epoch so far"
    by = (
        f"version {version} alone can go on with it" if version else "nothing can go on with it: its journal is damaged"
    )
    return command or shlex.join(["sightx", "runs", "delete", near]), by


def delete_runs(
    names: Sequence[str | Path], *, agree: Agree | None = None, listener: Listener | None = None
) -> RemovalResult:
    """Delete runs, each by its folder or its name in `runs/`; `runs/latest` is the run that it names.

    Without `agree`, nobody is asked. Nothing is deleted unless all can be. After that `latest` names the newest
    finished run left. Raises RunError for what is not a run, one that a process works on, and a path through a link.
    """
    listener = listener or Silent()
    folders = list(dict.fromkeys(_find_deletable(name, listener) for name in names))
    items = [_describe(folder, listener) for folder in folders]
    replaced = [aside for folder in folders if (aside := folder.with_name(f".{folder.name}-replaced")).is_dir()]
    items += [
        RemovalItem(aside, "left by a killed process", measure_item(aside)) for aside in replaced
    ]  # or it comes back
    command = shlex.join(["sightx", "runs", "delete", *map(shorten, folders), "--yes"])
    return remove(Removal(tuple(items), command), agree, listener)


def clean_runs(
    folder: str | Path = runs.RUNS, *, agree: Agree | None = None, listener: Listener | None = None
) -> RemovalResult:
    """Remove the unfinished runs in a folder that nobody trains, and what killed processes left there.

    A run that was interrupted and predicts is kept. Without `agree`, nobody is asked. Raises RunError where the folder
    is none of runs, and where something cannot be removed.
    """
    listing, listener = list_runs(folder, listener=listener), listener or Silent()
    items = []
    for one in listing.runs:
        if one.state != UNFINISHED:
            continue
        if (inner := _find_inner(one.run)) is not None:
            listener.warn(f"{one.run} is kept: it has another run in it, {inner}")
        else:
            items.append(_describe(one.run, Silent()))
    items += [RemovalItem(one.path, "left by a killed process", one.bytes_on_disk) for one in listing.leftovers]
    command = shlex.join(["sightx", "runs", "clean", *([] if folder == runs.RUNS else [str(folder)]), "--yes"])
    return remove(Removal(tuple(items), command), agree, listener)


def forget_threshold(run: str | Path | None = None, *, listener: Listener | None = None) -> ForgottenThreshold:
    """Take back the threshold that `evaluate` stored in a run, by default the newest: the likeliest class counts again.

    `run` is its folder, or its name in `runs/`. Raises RunError where there is none, where it is not finished, stores
    no threshold, or cannot be changed.
    """
    from sightx_cli.bundle.facts import check_changeable, keep_decision, load_facts
    from sightx_cli.bundle.outdated_exports import warn_of_outdated_exports

    listener = listener or Silent()
    folder = runs.find_run(None if run is None else _find_run(run))
    decision = load_facts(folder).decision
    if decision is None:
        store = shlex.join(
            ["sightx", "evaluate", "DATA", "--model", shorten(folder), "--at-sensitivity", "0.95", "--keep"]
        )
        raise RunError(f"{folder}: stores no threshold, so there is none to forget", f"{store} stores one")
    check_changeable(folder, "runs forget", "copy the run, and name the copy")
    facts = keep_decision(folder, None)
    outdated = warn_of_outdated_exports(folder, facts)
    if outdated is not None:
        listener.notice(outdated)
    return ForgottenThreshold(folder, asdict(decision), () if outdated is None else (outdated.text,))


def _check_folder(folder: str | Path) -> Path:
    """Return the folder of runs; raises RunError where it is something else. `runs/` need not be there."""
    found = Path(folder)
    if found != runs.RUNS and not found.exists():
        raise RunError(f"{found}: no such folder", "sightx runs list shows those in runs/")
    if found.exists() and not found.is_dir():
        raise RunError(f"{found}: is a file, not a folder of runs", "sightx runs list shows those in runs/")
    if runs.is_run(found):
        command = shlex.join(["sightx", "runs", "show", str(found)])
        raise RunError(f"{found}: is a run itself, not a folder of runs", f"{command} shows it")
    return found


def _find_run(name: str | Path) -> Path:
    """Find a run, finished or not, by its folder or its name in `runs/`. Raises RunError."""
    path = runs.resolve_run(name)
    if not path.exists():
        raise RunError(f"{name}: no such run", runs.LIST)
    if not path.is_dir() or not runs.is_run(path):
        raise RunError(f"{name}: is not a run made by SightX", runs.LIST)
    return path


def _find_deletable(name: str | Path, listener: Listener) -> Path:
    """Find a run to delete; raises RunError where that would harm something else."""
    found = _find_run(name)
    path, real = Path(os.path.normpath(found.absolute())), found.resolve()
    if Path(name).name == runs.LATEST:
        listener.note(f"{runs.LATEST} is {shorten(path)}")
    if real != path:
        command = shlex.join(["sightx", "runs", "delete", str(real)])
        raise RunError(f"{name}: leads through a link to {real}", f"{command} deletes it there")
    if is_locked(path):
        raise RunError(f"{name}: a process works on this run", "wait until it ends, or stop it")
    if (inner := _find_inner(path)) is not None:
        raise RunError(f"{name}: has another run in it, {inner}", "move or delete that one first")
    return path


def _find_inner(folder: Path) -> Path | None:
    """Find a run within a run; None where there is none, as should be."""
    own = folder / runs.CHECKPOINT  # where the result is made
    inner = (one for one in sorted(folder.rglob("*")) if not one.is_relative_to(own) and one.is_dir())
    return next(filter(runs.is_run, inner), None)


def _describe(folder: Path, listener: Listener) -> RemovalItem:
    """Describe a run that is to be removed."""
    summary = read_summary(folder, None, listener)
    where = f" at {summary.reached}" if summary.reached else ""
    others = tuple(sorted(one.name for one in folder.iterdir() if one.name not in runs.MADE))
    return RemovalItem(folder, f"{summary.state}{where}", summary.bytes_on_disk, others)


def _has_runs(folder: Path) -> bool:
    """Tell whether there are runs in a folder that is none itself. One that cannot be read has none."""
    try:
        is_ours = is_folder(folder) and not folder.name.startswith(".") and not runs.is_run(folder)
        return is_ours and bool(runs.list_runs(folder))
    except OSError:
        return False
