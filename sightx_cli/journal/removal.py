"""The removal of runs and leftovers: hidden first, so that a kill in the middle leaves no half run taken for whole."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sightx_cli import runs
from sightx_cli.errors import RunError
from sightx_cli.filesystem import LOCK, FolderLock, measure_folder
from sightx_cli.journal.run_state import read_summary
from sightx_cli.progress import Listener, Silent
from sightx_cli.results.runs import ENDED_EARLY, FINISHED, Removal, RemovalResult

Agree = Callable[[Removal], bool]
"""Is asked before anything is removed; False leaves all as it is."""


def remove(removal: Removal, agree: Agree | None, listener: Listener) -> RemovalResult:
    """Remove what was chosen, if that is agreed to: all is hidden first, then `latest` moves on, then all is deleted.

    Raises RunError where something cannot be removed.
    """
    with _holding([item.path for item in removal.items if is_folder(item.path)]) as locks:
        if not removal.items or (agree is not None and not agree(removal)):
            return RemovalResult((), 0)
        hidden: dict[Path, Path] = {}
        try:
            for item in removal.items:
                hidden[item.path] = _hide(item.path, locks.get(item.path))
        except OSError as error:
            raise RunError(f"{item.path}: cannot be removed ({error.strerror})", "see who may write there") from error
        finally:
            gone = {path.resolve() for path in hidden}
            for within in dict.fromkeys([runs.RUNS.absolute(), *(path.absolute().parent for path in hidden)]):
                _move_latest(within, gone, listener)
            for aside in hidden.values():
                _delete(aside)
    return RemovalResult(tuple(hidden), removal.total_bytes)


@contextmanager
def _holding(folders: Sequence[Path]) -> Iterator[Mapping[Path, FolderLock]]:
    """Hold folders, so that no process begins to work on them; raises RunError where one does, or none may write."""
    locks: dict[Path, FolderLock] = {}
    try:
        for folder in folders:
            lock = FolderLock(folder)
            try:
                is_free = lock.take()
            except OSError as error:
                raise RunError(f"{folder}: cannot be removed ({error.strerror})", "see who may write there") from error
            if not is_free:
                raise RunError(f"{folder}: a process works on it", "wait until it ends, or stop it")
            locks[folder] = lock
        yield locks
    finally:
        for lock in locks.values():
            lock.release()


def _hide(path: Path, lock: FolderLock | None) -> Path:
    """Hide a folder that is held; a file stays as it is. Raises OSError."""
    if lock is None:
        return path
    try:
        aside = runs.move_aside(path)
    except PermissionError:  # Windows, while the lock's file is open
        lock.release()
        return runs.move_aside(path)
    lock.path = aside / LOCK
    return aside


def _move_latest(within: Path, gone: set[Path], listener: Listener) -> None:
    """Let a folder's `latest` name the newest run left that predicts, where the one that it named is gone."""
    latest = runs.read_latest(within)
    if latest is None or latest.resolve() not in gone:
        return
    left = [read_summary(one, None, Silent()) for one in runs.list_runs(within)]
    whole = [one for one in left if one.state in (FINISHED, ENDED_EARLY)]
    name = shorten(within / runs.LATEST)
    if whole:
        newest = max(whole, key=lambda one: one.when).run
        runs.name_latest(newest, within)
        listener.note(f"{name} now names {shorten(newest)}")
    else:
        (within / runs.LATEST).unlink()
        listener.note(f"{name} is gone too: no finished run is left in {shorten(within)}")


def _delete(path: Path) -> None:
    """Delete a folder or file; raises RunError where something of it stays."""
    try:
        if is_folder(path):
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        raise RunError(f"{path}: could not be removed whole ({error})", "sightx runs clean removes the rest") from error


def measure_item(path: Path) -> int:
    """Return the bytes of a file or of all below a folder; a link has those of itself."""
    return measure_folder(path) if is_folder(path) else path.lstat().st_size


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def shorten(path: Path) -> str:
    """Write a path as it is typed from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
