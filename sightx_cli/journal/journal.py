"""The journal of one run, `journal.json`: its options, how far it is, and the files to go on from.

It is in the run's folder from before anything is measured until the run is whole. A run that Ctrl-C ended is whole and
keeps it, to go on from. Nothing in it is a pickle.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from sightx_cli import runs
from sightx_cli.errors import RunError
from sightx_cli.filesystem import FolderLock, flush_to_disk, read_checksum
from sightx_cli.journal.points import Point, remove_others, write_point_file
from sightx_cli.version import VERSION

FORMAT_VERSION = 3
POINTS_KEPT = 2
"""The newest point and, should its files turn out damaged, the one before."""
PREVIOUS = "journal-previous.json"
DECISIONS = "decisions.json"
RESULT = "result"
ELSEWHERE = "choose another place with --out"


class Journal:
    """The journal of a run that this process is making. `facts` is its contents."""

    def __init__(self, folder: Path, facts: dict[str, Any], lock: FolderLock, parents: Sequence[Path] = ()) -> None:
        self.folder, self.facts, self._lock = folder, facts, lock
        self._parents = parents
        """The folders that were made for this one, the innermost first."""
        self.is_finished = False
        """Whether the run is whole, and nothing is left to go on with."""
        self._text = ""

    @property
    def checkpoint(self) -> Path:
        """The folder of all that is needed to go on."""
        return self.folder / runs.CHECKPOINT

    @property
    def destination(self) -> Path:
        """Where the run will lie: its own folder, or that of the run which it replaces."""
        return Path(self.facts["replaces"] or self.folder)

    @property
    def points(self) -> list[Point]:
        """The points to go on from, the newest last."""
        return [Point(**point) for point in self.facts["points"]]

    @property
    def has_decisions(self) -> bool:
        """Whether recipe, split and plan are decided."""
        return self.facts["decisions"] is not None

    def begin(self) -> None:
        """Take the folder's lock and write the journal for the first time. Raises OSError."""
        self._lock.take()
        self.checkpoint.mkdir(exist_ok=True)
        self.write()

    def write(self) -> None:
        """Write the journal, whole; the one before is kept beside the checkpoint's files. Raises OSError."""
        body = json.dumps(self.facts, indent=1)
        text = json.dumps({"checksum": zlib.crc32(body.encode())})[:-1] + ', "journal": ' + body + "}\n"
        previous, self._text = self._text, text
        if previous:
            (self.checkpoint / PREVIOUS).write_text(previous, encoding="utf-8")
        runs.write_file(self.folder / runs.JOURNAL, lambda aside: _write_through(aside, text))
        flush_to_disk(self.folder)

    def keep_decisions(self, text: str) -> None:
        """Keep what was decided before the training: nothing measures it again from now on. Raises OSError."""
        checksum = write_point_file(self.checkpoint / DECISIONS, lambda aside: aside.write_text(text, encoding="utf-8"))
        self.facts["decisions"] = checksum
        self.write()

    def read_decisions(self) -> str:
        """Read what was decided. Raises RunError where its file is damaged."""
        path = self.checkpoint / DECISIONS
        with contextlib.suppress(OSError):
            if read_checksum(path) == self.facts["decisions"]:
                return path.read_text(encoding="utf-8")
        raise RunError(f"--resume {self.folder}: {path} is damaged", "start again: sightx fit DATA")

    def rename(self, name: str) -> None:
        """Give the folder another name beside its own, where that is possible."""
        target = runs.find_free(self.folder.with_name(name))
        try:
            self.folder.rename(target)
        except OSError:  # Windows, while the lock's file is open: it keeps the name it has
            return
        self.folder = target
        self._lock.path = target / self._lock.path.name

    def keep(self, point: Point) -> None:
        """Go on from this point if anything happens after it; the files of older ones are removed. Raises OSError."""
        before, kept = self.facts["points"], [*self.points, point][-POINTS_KEPT:]
        self.facts["points"] = [one.to_json() for one in kept]
        try:
            self.write()
        except OSError:
            self.facts["points"] = before
            raise
        remove_others(self.checkpoint, kept)

    def find_point(self) -> Point | None:
        """Find the newest point whose files are whole, and forget those after it; None if there is none."""
        whole = [point for point in self.points if point.is_whole(self.checkpoint)]
        self.facts["points"] = [point.to_json() for point in whole]
        return whole[-1] if whole else None

    @property
    def result(self) -> Path:
        """The folder that the finished run is written to before it is the run."""
        return self.checkpoint / RESULT

    def make_result_folder(self) -> Path:
        """Make the empty folder that the finished run is written to."""
        shutil.rmtree(self.result, ignore_errors=True)
        self.result.mkdir(parents=True)
        return self.result

    def finish(self, result: Path, stopped: bool) -> Path:
        """Let the result be the run; returns its folder. A run that was stopped keeps the journal, to go on from."""
        self.facts["usable"] = False  # until all of it has moved
        self.write()
        for item in sorted(result.iterdir()):
            target = self.folder / item.name
            if target.is_dir():
                shutil.rmtree(target)
            item.replace(target)
        shutil.rmtree(result)
        replaces = self.destination != self.folder and not stopped
        if stopped or replaces:
            self.facts["usable"] = True
            self.write()
        if replaces:
            self._lock.release()
            runs.replace_run(self.folder, self.destination)
            self.folder = self.destination
        if not stopped:
            (self.folder / runs.JOURNAL).unlink()  # the run is whole; what is left of its checkpoint counts no more
            self.is_finished = True
            shutil.rmtree(self.checkpoint, ignore_errors=True)
        self._lock.release()
        return self.folder

    def close(self) -> None:
        """Let other processes go on with this run."""
        self._lock.release()

    def remove(self) -> None:
        """Remove the run, and the folders made for it: nothing of it is worth keeping."""
        self._lock.release()
        runs.remove_folder(self.folder)
        with contextlib.suppress(OSError):  # where other runs are
            for parent in self._parents:
                parent.rmdir()


def begin_journal(folder: Path, options: Mapping[str, Any], replaces: Path | None = None) -> Journal:
    """Begin a run in a new folder. Raises FileExistsError where there is one, RunError where it cannot be written."""
    facts = {
        "format": FORMAT_VERSION,
        "sightx": VERSION,
        "begun": datetime.now().astimezone().isoformat(timespec="seconds"),
        "process": os.getpid(),
        "options": dict(options),
        "replaces": str(replaces) if replaces else None,
        "usable": False,
        "decisions": None,
        "points": [],
    }
    parents = [parent for parent in folder.parents if not parent.exists()]
    journal = Journal(folder, facts, FolderLock(folder), parents)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir()
    except FileExistsError:
        if folder.parent.is_dir():
            raise
        raise RunError(f"{folder}: cannot be written ({folder.parent} is a file)", ELSEWHERE) from None
    except OSError as error:
        raise RunError(f"{folder}: cannot be written ({error.strerror})", ELSEWHERE) from error
    try:
        journal.begin()
    except BaseException as error:  # Ctrl-C and SIGTERM too: an empty folder would be in the way of the next fit
        journal.remove()
        if isinstance(error, OSError):
            raise RunError(f"{folder}: cannot be written ({error.strerror})", ELSEWHERE) from error
        raise
    return journal


def open_journal(folder: Path) -> tuple[Journal, str]:
    """Open an unfinished run to go on with it; returns what had to be passed over, empty if nothing.

    Raises RunError where there is none, it is damaged beyond use, another version made it, or a process works on it.
    """
    if not folder.is_dir():
        raise RunError(f"--resume {folder}: no such folder", runs.LIST)
    is_whole = (folder / runs.BUNDLE / runs.BUNDLE_FACTS).is_file()
    if not (folder / runs.JOURNAL).exists() and (is_whole or not (folder / runs.CHECKPOINT / PREVIOUS).exists()):
        why = "is finished" if is_whole else "is not a run"
        raise RunError(f"--resume {folder}: {why}", "sightx runs list shows the runs that can go on")
    lock = FolderLock(folder)
    try:
        free = lock.take()
    except OSError as error:
        raise RunError(f"--resume {folder}: cannot be written ({error.strerror})", "see who may write there") from error
    if not free:
        raise RunError(f"--resume {folder}: another process works on it", "wait until it ends, or stop it")
    try:
        facts, said = read_journal(folder)
        if facts["format"] != FORMAT_VERSION or facts["sightx"] != VERSION:
            form = f" with journals of format {facts['format']}" * (facts["format"] != FORMAT_VERSION)
            raise RunError(
                f"--resume {folder}: was begun by sightx {facts['sightx']}{form}, this is {VERSION}",
                "go on with that version, or start again",
            )
        for aside in (*folder.glob(".[0-9]*-*"), *(folder / runs.CHECKPOINT).glob(".*")):
            aside.unlink()  # half written by a process that was killed
    except BaseException:
        lock.release()
        raise
    return Journal(folder, facts, lock), said


def read_journal(folder: Path) -> tuple[dict[str, Any], str]:
    """Read the facts of a run's journal, or of the one before where it is damaged, and say so. Raises RunError."""
    said = ""
    for path in (folder / runs.JOURNAL, folder / runs.CHECKPOINT / PREVIOUS):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            facts: dict[str, Any] = found["journal"]
            body = json.dumps(facts, indent=1)
            if zlib.crc32(body.encode()) == found["checksum"]:
                return facts, said
        except (OSError, ValueError, KeyError, TypeError):
            pass
        said = f"{path} is damaged: the one before it is used"
    raise RunError(f"{folder}: its journal is damaged", "start again, and remove it with sightx runs delete")


def _write_through(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    flush_to_disk(path)
