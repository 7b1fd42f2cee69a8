"""What processes that were killed left in a folder of runs: hidden folders and files that nobody holds."""

from __future__ import annotations

import re
import time
from pathlib import Path

from sightx_cli import runs
from sightx_cli.filesystem import is_locked
from sightx_cli.progress import Listener

REPLACED = re.compile(r"\.(.+)-replaced")
TIMED = re.compile(r"\.20\d{6}-\d{6}-.+")
"""A run in the making by its own name, as earlier versions had it."""
NUMBERED = re.compile(rf"\..+-\d+({runs.REMOVED})?")
"""A folder in the making, or being removed, with its process's number."""
HALF_WRITTEN = re.compile(r"\.latest-\d+|\.\d+-20\d{6}-\d{6}-.+")
"""A file that was to be renamed when complete: the name of the newest run, a picture."""
WRITING_SECONDS = 3600
"""Longer than it takes to write any file."""


def list_leftovers(folder: Path) -> list[Path]:
    """List what processes that were killed left in a folder."""
    return sorted(filter(is_leftover, folder.iterdir())) if folder.is_dir() else []


def is_leftover(path: Path) -> bool:
    """Tell whether nobody needs this: no name that a user would give, no process that holds it, no run's only copy."""
    name = path.name
    if path.is_symlink() or not path.is_dir():
        return bool(HALF_WRITTEN.fullmatch(name)) and time.time() - path.lstat().st_mtime > WRITING_SECONDS
    if not name.startswith(".") or is_locked(path):
        return False
    if replaced := REPLACED.fullmatch(name):
        return path.with_name(replaced[1]).exists()
    return bool(TIMED.fullmatch(name)) or (bool(NUMBERED.fullmatch(name)) and is_made_here(path))


def is_made_here(folder: Path) -> bool:
    """Tell whether a folder is empty, or has something that a fit makes. One that cannot be read is not ours."""
    try:
        names = {one.name for one in folder.iterdir()}
    except OSError:
        return False
    return not names or bool(names & runs.MADE)


def recover_runs(folder: Path, listener: Listener) -> None:
    """Put back each run of a folder whose replacement was killed halfway, and say so."""
    for aside in sorted(folder.glob(".*-replaced")):
        whole = folder / aside.name[1 : -len("-replaced")]
        if whole.exists() or whole.is_symlink() or not aside.is_dir():
            continue
        try:
            runs.recover_replaced(whole)
            listener.note(f"{whole} is back: the fit that was to replace it was killed")
        except OSError as error:
            listener.warn(f"{aside} is the run {whole.name}, and cannot be put back ({error.strerror})")
