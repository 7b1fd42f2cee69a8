"""A folder that fills, such as a line camera's: its images in the order in which they arrived, each when it is whole.

Asking is by polling, which every file system answers, a network's too. A file is whole when its size and time of change
have stood still; one that cannot be read may still be on its way from a writer that paused, and is given more time.
"""

from __future__ import annotations

import heapq
import os
import stat
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from sightx_cli.data.file_kinds import FileKinds, has_image_ending, sort_by_ending
from sightx_cli.data.folders import is_left_by_programs, is_valid_text, leads_to_folder
from sightx_cli.progress import Listener, Notice, Silent

POLL_SECONDS = 0.1
STILL_SECONDS = 0.2
"""How long size and time stand still before a file is tried: writers pause, but seldom between two blocks."""
PATIENCE_SECONDS = 5.0
"""The same for a file that could not be read when it was tried: only then is it called unreadable."""
SHARE_OF_TIME = 0.05
"""What looking at the folder may take of one processor: large folders are looked at less often."""
COARSEST_CLOCK_SECONDS = 3.0
"""Some file systems tell times to two seconds only, and a network's some time later."""
MOST_GONE = 300_000
"""Images that are remembered after they are gone: some 60 MB."""
MISNAMED = "left out files or folders whose names are not valid UTF-8 (rename them)"
SILENT = Silent()
UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".filepart", ".swp", "~")
"""Endings that programs give files while they write them, and take away by renaming."""


@dataclass(frozen=True, order=True)
class Arrival:
    """An image that is whole, in the order of its time of change, then of its name."""

    changed_ns: int
    path: str
    size: int = field(compare=False)
    arrived: float = field(compare=False)
    """When it was written to its end or put there under its name, by this machine's clock."""
    is_new: bool = field(compare=False)
    """Whether that was while the folder was watched."""


@dataclass
class _Waiting:
    """A file that is not known to be whole, as it was last seen."""

    changed_ns: int
    size: int
    since: float
    """When it was first seen so, by the monotonic clock."""
    arrived: float
    is_new: bool
    needed: float


@dataclass(frozen=True)
class _Listed:
    """A folder as it was when it was last listed."""

    changed_ns: int
    """0 where it had changed so recently that it may have again, at the same time by the file system's clock."""
    folders: tuple[str, ...]


class Arrivals:
    """The images of a folder and the folders below it, each once, unless its content changes.

    `known` tells of images dealt with before, by path: the time of their change, in nanoseconds, to the microsecond.
    The files `apart`, and what lies in folders there, are none of them. What is passed over is said to the listener,
    each kind once.
    """

    def __init__(
        self, folder: Path, known: Mapping[str, int], apart: Sequence[Path], listener: Listener = SILENT
    ) -> None:
        self.folder = folder
        self._apart, self._listener = {os.path.realpath(one) for one in apart}, listener
        self._known, self._gone, self._done = dict(known), dict[str, int](), dict[str, dict[str, int]]()
        self._waiting: dict[str, _Waiting] = {}
        self._whole: list[Arrival] = []
        self._listed: dict[str, _Listed] = {}
        self._said = set[str]()
        self._is_first, self._polled = True, 0.0
        self._look_at, self._look_at_all = 0.0, 0.0

    def poll(self) -> None:
        """Look at the folder once, if it is time to."""
        now, clock = time.monotonic(), time.time()
        for path, one in list(self._waiting.items()):
            self._settle(path, one, now, clock)
        if now >= self._look_at:
            is_all, work = now >= self._look_at_all, time.thread_time()
            self._look(is_all, now, clock)
            pause = max((time.thread_time() - work) / SHARE_OF_TIME, time.monotonic() - now)
            self._look_at = now + pause
            if is_all:
                self._look_at_all = now + 2 * pause
            self._is_first = False
        self._polled = clock

    def take(self, most: int) -> list[Arrival]:
        """Hand over the first images that are whole, and are as they were when that was found."""
        found: list[Arrival] = []
        while self._whole and len(found) < most:
            one = heapq.heappop(self._whole)
            if self.has_changed(one):
                self.await_again(one)
            elif self._is_image(one):
                found.append(one)
        return found

    def has_changed(self, one: Arrival) -> bool:
        """Tell whether a file is not, or no longer, what arrived."""
        state = read_state(one.path)
        return state is None or (state.st_mtime_ns, state.st_size) != (one.changed_ns, one.size)

    def await_again(self, one: Arrival) -> None:
        """Let a file that has changed since stand still anew; one that is gone is forgotten."""
        self._wait(one, STILL_SECONDS)

    def postpone(self, one: Arrival) -> bool:
        """Let a file that cannot be read stand still for longer; False where it has had its time."""
        if time.time() - one.arrived >= PATIENCE_SECONDS:
            return False
        self._wait(one, PATIENCE_SECONDS)
        return True

    def keep(self, one: Arrival) -> None:
        """Count an image as dealt with: it does not come again while it stays as it is."""
        folder, name = os.path.split(one.path)
        self._done.setdefault(folder, {})[name] = one.changed_ns

    def forget(self, one: Arrival) -> None:
        """Count an image as gone for good: whatever comes under its name is new."""
        folder, name = os.path.split(one.path)
        self._done.get(folder, {}).pop(name, None)

    def count_waiting(self) -> int:
        """Count the images that were seen and not handed over."""
        return len(self._waiting) + len(self._whole)

    def _wait(self, one: Arrival, needed: float) -> None:
        state = read_state(one.path)
        if state is not None:
            arrived = one.arrived if needed > STILL_SECONDS else find_arrival(state, self._polled, time.time())
            seen = state.st_mtime_ns, state.st_size, time.monotonic(), arrived, one.is_new, needed
            self._waiting[one.path] = _Waiting(*seen)

    def _settle(self, path: str, one: _Waiting, now: float, clock: float) -> None:
        state = read_state(path)
        if state is None:
            del self._waiting[path]
        elif (state.st_mtime_ns, state.st_size) != (one.changed_ns, one.size):
            arrived = find_arrival(state, self._polled, clock)
            self._waiting[path] = _Waiting(state.st_mtime_ns, state.st_size, now, arrived, True, STILL_SECONDS)
        elif now - one.since >= one.needed:
            del self._waiting[path]
            heapq.heappush(self._whole, Arrival(one.changed_ns, path, one.size, one.arrived, one.is_new))

    def _look(self, is_all: bool, now: float, clock: float) -> None:
        """Look for new names in each folder that has changed, or, with `is_all`, at each file of each folder."""
        held = self._waiting.keys() | {one.path for one in self._whole}
        visited: set[tuple[int, int] | str] = set()
        vanished, is_whole = set(self._listed), is_all
        left = [str(self.folder)]
        while left:
            folder = left.pop()
            real = os.path.realpath(folder)
            try:
                state = os.stat(folder)  # noqa: PTH116 - a Path for each of many files takes longer
                identity = (state.st_dev, state.st_ino) if state.st_ino else real
                if identity in visited or real in self._apart:
                    continue
                visited.add(identity)
                vanished.discard(folder)
                before = self._listed.get(folder)
                if before is None or is_all or before.changed_ns != state.st_mtime_ns:
                    before = self._list(folder, state.st_mtime_ns, is_all, held, now, clock)
            except OSError as error:
                self._say(f"folder {folder}", f"the folder {folder} cannot be read ({error.strerror})", warns=True)
                is_whole = False
                continue
            self._said.discard(f"folder {folder}")
            left += before.folders
        for folder in vanished if is_whole else ():
            del self._listed[folder]
            self._miss(folder, self._done.pop(folder, {}))

    def _list(self, folder: str, changed_ns: int, is_all: bool, held: Set[str], now: float, clock: float) -> _Listed:
        done = self._done.setdefault(folder, {})
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if entry.path not in self._apart]
        inner = tuple(entry.path for entry in found if leads_to_folder(entry) and self._is_open(entry.name))
        names = {entry.name for entry in found if not leads_to_folder(entry) and self._is_wanted(entry.name)}
        self._miss(folder, {name: done.pop(name) for name in done.keys() - names})
        for name in names if is_all else names - done.keys():
            path = os.path.join(folder, name)  # noqa: PTH118 - as above
            if path in held:
                continue
            state = read_state(path)
            if state is None:
                if os.path.exists(path):  # noqa: PTH110 - as above
                    self._say("no-images", f"passed over files that are no images, such as {name}")
                elif os.path.islink(path):  # noqa: PTH114 - as above
                    said = f"left alone links that lead nowhere, until they lead to a file, such as {name}"
                    self._say("broken-links", said, warns=True)
                continue
            known = self._known.pop(path, self._gone.pop(path, None))
            if known is not None and known // 1000 == state.st_mtime_ns // 1000:
                done[name] = state.st_mtime_ns
            if done.get(name) != state.st_mtime_ns:
                done.pop(name, None)
                arrived = find_arrival(state, 0.0 if self._is_first else self._polled, clock)
                seen = state.st_mtime_ns, state.st_size, now, arrived, not self._is_first, STILL_SECONDS
                self._waiting[path] = _Waiting(*seen)
        is_recent = clock - changed_ns / 1e9 < COARSEST_CLOCK_SECONDS
        self._listed[folder] = _Listed(0 if is_recent else changed_ns, inner)
        return self._listed[folder]

    def _miss(self, folder: str, names: Mapping[str, int]) -> None:
        """Remember images that are gone, perhaps for a while only, as those of a disk that is not there."""
        for name, changed_ns in names.items():
            self._gone[os.path.join(folder, name)] = changed_ns  # noqa: PTH118 - as above
        while len(self._gone) > MOST_GONE:
            del self._gone[next(iter(self._gone))]

    def _is_open(self, name: str) -> bool:
        """Tell by its name whether a folder is looked into."""
        if name.startswith(".") and not is_left_by_programs(name):
            self._say("hidden", f"passed over hidden folders, such as {name}")
        if not is_valid_text(name):
            self._say("misnamed-files", MISNAMED, warns=True)
            return False
        return not (name.startswith(".") or is_left_by_programs(name))

    def _is_wanted(self, name: str) -> bool:
        """Tell by its name whether a file may be an image that is whole; say what it is otherwise."""
        if is_left_by_programs(name):
            return False
        if name.startswith(".") or name.lower().endswith(UNFINISHED):
            said = "left alone files whose names are hidden, or end in .part, .tmp or the like, until they are renamed"
            self._say("unfinished", f"{said}, such as {name}")
            return False
        if not is_valid_text(name):
            self._say("misnamed-files", MISNAMED, warns=True)
            return False
        kind = "" if has_image_ending(name) else sort_by_ending(name)
        if kind == "none":
            self._say("no-images", f"passed over files that are no images, such as {name}")
        elif kind == "other":
            said = f"left out files that cannot be read as images, such as {name}"
            self._say("other-files", f"{said}: convert them to PNG, TIFF or JPEG if they are", warns=True)
        return kind in ("", "unknown")

    def _is_image(self, one: Arrival) -> bool:
        """Tell by its first bytes whether a file without a known ending is an image; else it is passed over."""
        folder, name = os.path.split(one.path)
        # Each by itself: what all of an ending were until now says nothing of what is still to come.
        if has_image_ending(name) or FileKinds().tell(Path(folder), [name])[0] == "image":
            return True
        self._say("no-images", f"passed over files that are no images, such as {name}")
        self.keep(one)
        return False

    def _say(self, kind: str, text: str, warns: bool = False) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._listener.notice(Notice(kind.partition(" ")[0], text, warns=warns))


def find_arrival(state: os.stat_result, earliest: float, latest: float) -> float:
    """Return when a file was written or renamed to its name, within what this machine's clock saw of it.

    A file server's clock may be another.
    """
    told = state.st_mtime if os.name == "nt" else max(state.st_mtime, state.st_ctime)
    return min(max(told, earliest), latest)


def read_state(path: str) -> os.stat_result | None:
    """Return the state of a file, that of its target where it is a link; None where it is gone, or is a pipe."""
    try:
        state = os.stat(path)  # noqa: PTH116 - as above
    except OSError:
        return None
    return state if stat.S_ISREG(state.st_mode) else None
