"""A folder for each class, into which labelled files are moved; nothing that lies there is ever replaced."""

from __future__ import annotations

import errno
import filecmp
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sightx_cli.bundle.table import STATUS
from sightx_cli.task.label_text import name_labels
from sightx_cli.task.task import Task

UNREADABLE = "unreadable"
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever their ending."""
_LONGEST_BYTES = 120
"""Of 255, so that there is room for what is added to a name."""
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
"""What systems say whose disks have no hard links."""


class SortedFolder:
    """Where labelled files go: `FOLDER/<class>/`, and `FOLDER/unreadable/`."""

    def __init__(self, folder: Path, task: Task) -> None:
        self.folder, self._column = folder, task.columns[0]
        self._names: dict[str, str] = {}
        self._free: dict[Path, int] = {}
        """Of names that came often, the number to try next."""
        self._taken = {UNREADABLE}
        for name in task.classes:
            self._name(name)

    def choose(self, row: Mapping[str, Any]) -> Path:
        """Choose the folder of an image by its row: with no prediction, that of its status."""
        if row["error"]:
            return self.folder / UNREADABLE
        undecided = not row[self._column] and row[STATUS] in ("unsure", "unfamiliar")
        return self.folder / self._name(row[STATUS] if undecided else name_labels(row[self._column]))

    def move(self, path: Path, row: Mapping[str, Any]) -> Path:
        """Move a file to its folder, under its own name or the first free one of name-2, name-3 …; returns where it is.

        A copy that an interrupted move has left there is not made twice; a file that lies there, by whatever name of
        the folder, stays. Raises OSError.
        """
        folder = self.choose(row)
        if folder.resolve() == path.parent.resolve():
            return path
        folder.mkdir(parents=True, exist_ok=True)
        first = folder / path.name
        number = self._free.get(first, 1)
        while True:
            target = first if number == 1 else first.with_name(f"{first.stem}-{number}{first.suffix}")
            if not os.path.lexists(target):
                try:
                    _move_to_free(path, target)
                except FileExistsError:  # another process took the name meanwhile
                    continue
                break
            if _is_same(path, target):
                path.unlink()
                break
            number += 1
        if number > 1:
            self._free[first] = number + 1
        return target

    def _name(self, label: str) -> str:
        """Return the name of a label's folder, safe on any system, and no other label's in any case of its letters."""
        if label not in self._names:
            safe = name = make_safe(label)
            number = 2
            while name.casefold() in self._taken:
                name, number = f"{safe}-{number}", number + 1
            self._taken.add(name.casefold())
            self._names[label] = name
        return self._names[label]


def make_safe(name: str) -> str:
    """Return a name that a folder may have on any system: no path, no device, nothing hidden, not too long."""
    safe = _UNSAFE.sub("_", name).strip().rstrip(". ")
    safe = f"_{safe[1:]}" if safe.startswith(".") else safe
    safe = safe.encode("utf-8", "replace")[:_LONGEST_BYTES].decode("utf-8", "ignore").rstrip(". ")
    return f"_{safe}" if not safe or _RESERVED.fullmatch(safe) else safe


def _is_same(path: Path, target: Path) -> bool:
    """Tell whether a file was moved there before, by a move that was interrupted before its end."""
    if path.is_symlink() or not target.is_file():
        return False
    one, other = path.stat(), target.stat()
    if one.st_dev == other.st_dev:
        return os.path.samestat(one, other)
    alike = (one.st_size, one.st_mtime_ns // 1000) == (other.st_size, other.st_mtime_ns // 1000)
    return alike and filecmp.cmp(path, target, shallow=False)


def _move_to_free(path: Path, target: Path) -> None:
    """Move a file to a name that is free; raises FileExistsError where it no longer is."""
    if path.is_symlink():
        target.symlink_to(path.resolve())
    else:
        try:
            os.link(path, target)  # fails where the name is taken, which renaming does not
        except OSError as error:
            if error.errno == errno.EXDEV:
                _copy_to_free(path, target)
            elif error.errno in _NO_LINKS:
                target.touch(exist_ok=False)
                path.replace(target)
                return
            else:
                raise
    path.unlink()


def _copy_to_free(path: Path, target: Path) -> None:
    """Copy a file to another disk, whole before it has its name."""
    aside = target.with_name(f".{os.getpid()}-{target.name}")
    try:
        shutil.copy2(path, aside)
        with aside.open("rb+") as file:
            os.fsync(file.fileno())
        _move_to_free(aside, target)
    finally:
        aside.unlink(missing_ok=True)
