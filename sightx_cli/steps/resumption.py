"""Which run a fit makes: a new one with a journal of its own, or an unfinished one that it goes on with."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.errors import RunError, UsageError
from sightx_cli.filesystem import LOCK, is_locked
from sightx_cli.journal.journal import Journal, begin_journal, open_journal, read_journal
from sightx_cli.progress import Listener
from sightx_cli.steps.option import list_options
from sightx_cli.steps.options import Options

DEMO = "demo:"


@contextmanager
def keeping_journal(options: Options, listener: Listener) -> Iterator[tuple[Journal, Options]]:
    """Give the journal of the run to make, and the options that hold for it.

    When the block fails, what was trained stays, and the listener hears how to go on; a run in which nothing was
    decided is removed. Raises UsageError and RunError before anything is written.
    """
    journal, options = begin_run(options, listener) if options.resume is None else go_on_with_run(options, listener)
    try:
        yield journal, options
    except BaseException as error:
        is_stopped = isinstance(error, KeyboardInterrupt)
        if journal.points or (is_stopped and journal.has_decisions):
            kept = journal.points
            reached = f"up to {kept[-1].describe()} is kept" if kept else "nothing is trained yet"
            listener.warn(f"stopped: {reached}; {write_resume(journal.folder)} goes on")
            journal.close()
        else:
            journal.remove()
        raise


def begin_run(options: Options, listener: Listener) -> tuple[Journal, Options]:
    """Begin a new run, where the options say; says what unfinished run of the same fit there is."""
    mention_unfinished(options, listener)
    name = options.recipe if options.recipe == "auto" else Path(options.recipe).stem
    folder, replaced = runs.choose_run_folder(name, options.out, options.overwrite), None
    if folder.exists():
        if any(folder.iterdir()) and not runs.is_unfinished(folder):
            folder, replaced = runs.find_free(folder.with_name(f"{folder.name}-unfinished")), folder
        else:
            shutil.rmtree(folder)
    return begin_journal(folder, record_options(options), replaced), options


def go_on_with_run(options: Options, listener: Listener) -> tuple[Journal, Options]:
    """Open the run that `--resume` names; raises UsageError where an option differs from what it was begun with."""
    assert options.resume is not None
    folder = options.resume
    if folder.name == runs.LATEST and folder.is_file():  # where links are not allowed
        folder = Path(folder.read_text(encoding="utf-8").strip())
    folder = folder.resolve()
    if options.out is not None:
        folder = copy_run(folder, options)
    journal, said = open_journal(folder)
    if said:
        listener.warn(said)
    try:
        return journal, join_options(journal, options)
    except BaseException:
        journal.close()
        raise


def copy_run(folder: Path, options: Options) -> Path:
    """Copy an unfinished run to `--out`, to go on with there."""
    assert options.out is not None
    journal, _ = open_journal(folder)  # no other process may work on it meanwhile
    try:
        target = runs.choose_run_folder("", options.out, options.overwrite)
        if target.exists():
            shutil.rmtree(target)
        shutil.copytree(folder, target, ignore=shutil.ignore_patterns(LOCK))
    finally:
        journal.close()
    return target


def join_options(journal: Journal, options: Options) -> Options:
    """Return the options that the run was begun with, and of today's those that may differ.

    Raises UsageError where today's say anything else.
    """
    begun = Options(**journal.facts["options"])
    given = options.given()
    for one in list_options(Options, "fit"):
        if one.name not in given or one.about.may_change or one.name == "source":
            continue
        then, now = record_options(begun).get(one.name, one.default), record_options(options)[one.name]
        if then != now:
            raise UsageError(
                f"--resume {options.resume}: was begun with {one.flag} {then}, not {now}",
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
    """Say which unfinished run was begun with the same data and options, and how to go on with it.

    Those that were stopped before anything was trained are removed.
    """
    swept = 0
    mine = {name: value for name, value in record_options(options).items() if not _may_change(name)}
    for folder in runs.list_runs():
        if not runs.is_unfinished(folder) or is_locked(folder):
            continue
        try:
            facts, _ = read_journal(folder)
        except RunError:
            continue
        if not facts["points"]:  # nothing of it is worth going on from
            shutil.rmtree(folder, ignore_errors=True)
            swept += 1
        elif {name: value for name, value in facts["options"].items() if not _may_change(name)} == mine:
            listener.note(f"{folder} is an unfinished run of this fit: {write_resume(folder)} goes on with it")
    if swept:
        listener.note(f"removed {swept} unfinished {'run' if swept == 1 else 'runs'} in which nothing was trained")


def write_resume(folder: Path) -> str:
    """Write the command that goes on with a run."""
    near = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    return shlex.join(["sightx", "fit", "--resume", str(near)])


def write_command(recorded: Mapping[str, Any]) -> str:
    """Write the command that a run was begun with, from its recorded options: it holds in any folder."""
    return Options(**recorded).write_command(whole=True)


def _may_change(name: str) -> bool:
    return any(one.name == name and one.about.may_change for one in list_options(Options))
