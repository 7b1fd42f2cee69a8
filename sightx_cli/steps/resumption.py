"""Which run a fit makes: a new one with a journal of its own, or an unfinished one that it goes on with."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.errors import ProcessLost, RunError, UsageError
from sightx_cli.filesystem import FolderLock, is_locked
from sightx_cli.journal.journal import ELSEWHERE, Journal, begin_journal, open_journal, read_journal
from sightx_cli.processes import ALONE, Processes
from sightx_cli.progress import Listener
from sightx_cli.steps.option import list_options
from sightx_cli.steps.options import Options

DEMO = "demo:"


@contextmanager
def keeping_journal(
    options: Options, listener: Listener, processes: Processes = ALONE
) -> Iterator[tuple[Journal, Options]]:
    """Give the journal of the run to make, and the options that hold for it.

    When the block fails, what was trained stays, and the listener hears how to go on; a new run, or a new copy of one,
    to which nothing was added is removed. Raises UsageError and RunError before anything is written.
    """
    is_own = options.resume is None or options.out is not None
    journal, options = begin_run(options, listener) if options.resume is None else go_on_with_run(options, listener)
    before = journal.points
    try:
        yield journal, options
    except BaseException as error:
        kept, is_stopped = journal.points, isinstance(error, KeyboardInterrupt | ProcessLost)
        if journal.is_finished:
            listener.warn(f"stopped when the run was whole: {journal.folder}")
        elif not is_own or kept != before or (is_stopped and journal.has_decisions):
            reached = f"up to {kept[-1].describe()} is kept" if kept else "nothing is trained yet"
            listener.warn(f"stopped: {reached}; {runs.write_resume(journal.folder)}{processes.write_launch()} goes on")
            journal.close()
        else:
            journal.remove()
        raise


def begin_run(options: Options, listener: Listener) -> tuple[Journal, Options]:
    """Begin a new run, where the options say; says what unfinished run of the same fit there is."""
    sweep_runs(listener)
    mention_unfinished(options, listener)
    name = options.recipe if options.recipe == "auto" else Path(options.recipe).stem
    return begin_in_place(name, options, record_options(options)), options


def begin_in_place(name: str, options: Options, recorded: Mapping[str, Any]) -> Journal:
    """Begin a journal where the options say. Raises RunError where that is not possible."""
    while True:
        folder, replaced = place_run(name, options)
        try:
            return begin_journal(folder, recorded, replaced)
        except FileExistsError as error:
            if options.out is not None:
                raise RunError(f"--out {folder}: another fit has just begun there", "choose another folder") from error


def place_run(name: str, options: Options) -> tuple[Path, Path | None]:
    """Return the folder to make a run in, and the run that it takes the place of once it is whole, if any."""
    folder = runs.choose_run_folder(name, options.out, options.overwrite)
    if not folder.exists():
        return folder, None
    if any(folder.iterdir()):
        return runs.find_free(folder.with_name(f"{folder.name}-unfinished")), folder
    folder.rmdir()
    return folder, None


def go_on_with_run(options: Options, listener: Listener) -> tuple[Journal, Options]:
    """Open the run that `--resume` names, or a copy of it at `--out`.

    Raises UsageError where an option differs from what the run was begun with.
    """
    assert options.resume is not None
    journal, said = open_journal(runs.resolve_run(options.resume).resolve())
    if said:
        listener.warn(said)
    try:
        joined = join_options(journal, options)
        if options.out is None:
            return journal, joined
        copy = copy_run(journal, options)
    except BaseException:
        journal.close()
        raise
    journal.close()
    return copy, joined


def copy_run(journal: Journal, options: Options) -> Journal:
    """Copy an unfinished run to `--out`, to go on with there."""
    copy = begin_in_place("", options, journal.facts["options"])
    try:
        shutil.copytree(journal.checkpoint, copy.checkpoint, dirs_exist_ok=True)
        copy.facts |= {name: journal.facts[name] for name in ("decisions", "points")}
        copy.write()
    except BaseException as error:
        copy.remove()
        if isinstance(error, OSError):  # copytree's own has a list of (from, to, why)
            why = error.strerror or error.args[0][0][2]
            raise RunError(
                f"--resume {journal.folder}: cannot be copied to {copy.folder} ({why})", ELSEWHERE
            ) from error
        raise
    return copy


def join_options(journal: Journal, options: Options) -> Options:
    """Return the options that the run was begun with, and of today's those that may differ.

    Raises UsageError where today's say anything else.
    """
    begun = Options(**journal.facts["options"])
    given = options.given()
    for one in list_options(Options, "fit"):
        if one.name not in given or one.about.may_change or one.name == "source":
            continue
        then, now = getattr(begun, one.name), getattr(options, one.name)
        if record_options(begun).get(one.name) != record_options(options)[one.name]:
            was = f"with {shlex.join(one.write(then))}" if then != one.default else f"without {one.flag}"
            raise UsageError(
                f"--resume {options.resume}: was begun {was}, not with {shlex.join(one.write(now))}",
                f"leave {one.flag} out, or start again without --resume",
            )
    changed: dict[str, Any] = {name: value for name, value in given.items() if name == "source" or _may_change(name)}
    return Options(**{**begun.given(), **changed})


def record_options(options: Options) -> dict[str, Any]:
    """Return what was given, as JSON has it, with paths that hold from any folder."""
    found: dict[str, Any] = {}
    for name, value in options.given().items():
        is_place = isinstance(value, Path) or (name == "source" and not str(value).startswith(DEMO))
        is_recipe = name == "recipe" and Path(value).is_file()
        found[name] = str(Path(value).absolute()) if is_place or is_recipe else value
        if isinstance(value, tuple):
            found[name] = list(value)
    return found


def mention_unfinished(options: Options, listener: Listener) -> None:
    """Say which unfinished runs were begun with the same data and options, and how to go on with them."""
    mine = {name: value for name, value in record_options(options).items() if not _may_change(name)}
    places = {runs.RUNS.absolute(), *([options.out.absolute().parent] if options.out is not None else [])}
    for folder in (one for place in sorted(places) for one in runs.list_runs(place)):
        if not runs.is_unfinished(folder) or is_locked(folder):
            continue
        with contextlib.suppress(RunError):  # its journal is damaged: nothing to go on with
            facts, _ = read_journal(folder)
            if {name: value for name, value in facts["options"].items() if not _may_change(name)} == mine:
                listener.note(f"{folder} is an unfinished run of this fit: {runs.write_resume(folder)} goes on with it")


def sweep_runs(listener: Listener) -> None:
    """Remove from `runs/` what processes left that were killed: runs without training, and halves of removed ones."""
    swept = 0
    for folder in runs.list_runs():
        lock = FolderLock(folder)
        try:
            if not runs.is_left_over(folder) or not lock.take():
                continue
            if not runs.is_unfinished(folder):
                shutil.rmtree(folder / runs.CHECKPOINT, ignore_errors=True)
            elif not read_journal(folder)[0]["points"]:  # nothing of it is worth going on from
                runs.remove_folder(folder)
                swept += 1
        except (OSError, RunError):  # not ours to remove
            continue
        finally:
            lock.release()
    for hidden in runs.RUNS.glob(f".*{runs.REMOVED}"):
        shutil.rmtree(hidden, ignore_errors=True)
    if swept:
        listener.note(f"removed {swept} unfinished {'run' if swept == 1 else 'runs'} in which nothing was trained")


def write_command(recorded: Mapping[str, Any]) -> str:
    """Write the command that a run was begun with, from its recorded options: it holds in any folder."""
    return Options(**recorded).write_command(whole=True)


def _may_change(name: str) -> bool:
    return any(one.name == name and one.about.may_change for one in list_options(Options))
