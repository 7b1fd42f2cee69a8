"""Finds the files that a table's names mean: ids without ending or folder, paths of another machine, other endings."""

from __future__ import annotations

import os
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sightx_cli.tables.file_names import (
    choose_files,
    fold_name,
    is_absolute,
    is_rooted,
    split_foreign,
    split_path,
    strip_ending,
)

FEW = 64
"""Up to so many names in one folder are looked up one by one; for more, the folder is listed once."""
MOST_FOLDERS = 500
"""So many folders are searched for where a name might be, only to say so."""
COMPLETED, OTHER_ENDING, SHORTENED, MISSING, AMBIGUOUS = (
    "completed",
    "other-ending",
    "shortened",
    "missing",
    "ambiguous",
)

_PACKED = "::"
"""What stands between a shard and the image in it: whether the image is there, is known when it is read."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """The file that a name means: its absolute path, or where it would be, and how it was found ("": as it stands)."""

    path: str
    how: str = ""
    candidates: tuple[str, ...] = ()
    """All files that an ambiguous name may mean."""
    removed: tuple[str, ...] = ()
    """The folders that were dropped from the beginning of a path."""


@dataclass
class FolderContents:
    """The names of a folder's files, as they come, and its folders by their names without case."""

    names: dict[str, None] = field(default_factory=dict)
    folders: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


class ImageFinder:
    """Looks names up in `images` where that is given, then in the table's `folder`; in each also one folder below.

    Every folder is listed once, and only where a name is not a file as it stands.
    """

    def __init__(self, folder: Path, images: Path | None, endings: Iterable[str]) -> None:
        """Take the folders, and the endings that files of images have, in lower case."""
        self.endings = tuple(endings)
        self.bases = [str(images), str(folder)] if images is not None else [str(folder)]
        self._contents: dict[str, FolderContents] = {}
        self._files: dict[tuple[str, bool], dict[str, list[str]]] = {}
        self._folders: dict[tuple[str, ...], list[str]] = {}

    def find(self, names: Sequence[str]) -> list[FoundFile]:
        """Find the file of each name; blanks around a name make no difference, an empty one is missing."""
        tidied = [name.strip() for name in names]
        as_given = {name: FoundFile(name) for name in tidied if "://" in name}  # a URI: whoever reads it finds it
        as_given |= self._find_as_given({name for name in tidied if name not in as_given})
        found = {name: as_given.get(name) or self._search(name) for name in dict.fromkeys(tidied)}
        return [found[name] for name in tidied]

    def find_elsewhere(self, name: str) -> str:
        """Return the folder that has the file of this name, further down than is looked, or below the current one.

        "" where none is found.
        """
        file, waiting = (split_foreign(name) or [""])[-1], deque([self.bases[0], str(Path.cwd())])
        for _ in range(MOST_FOLDERS):
            if not waiting or not file:
                break
            folder = waiting.popleft()
            if choose_files(file, self._index(folder).get(self._find_key(file), []), self.endings):
                return folder
            waiting += [path for paths in self._list(folder).folders.values() for path in paths]
        return ""

    def _find_as_given(self, names: set[str]) -> dict[str, FoundFile]:
        """Find the names that are files as they stand, with either kind of separator."""
        left, found = names - {""}, dict[str, FoundFile]()
        for base in self.bases:
            packed = {name: _join(base, name, False) for name in left if _PACKED in name}
            found |= {name: FoundFile(path) for name, path in packed.items() if _is_there(path.partition(_PACKED)[0])}
            left -= found.keys()
            for is_foreign in (False, True):
                paths = {name: _join(base, name, is_foreign) for name in left if not is_foreign or "\\" in name}
                counts = Counter(split_path(path)[0] for path in paths.values())
                for name, path in paths.items():
                    folder, file = split_path(path)
                    if file in self._list(folder).names if counts[folder] > FEW else _is_there(path):
                        found[name] = FoundFile(_plain(path))
                left -= found.keys()
        return found

    def _search(self, name: str) -> FoundFile:
        """Find a name that is no file as it stands: in the folder that it names, or that the end of its path names.

        Where that folder is there, the file is in it or nowhere: another of this name is not meant.
        """
        home = _plain(_join(self.bases[0], name, "\\" in name))
        parts = split_foreign(name)
        if not name or not parts:
            return FoundFile(home, MISSING)
        stem = self._find_key(parts[-1])
        if is_absolute(name) and Path(home).parent.is_dir():
            return self._decide(name, home, self._index(split_path(home)[0]).get(stem, ()), ())
        for start in range(len(parts)):
            folders = tuple(parts[start:-1])
            places = {base: self._find_folders(base, folders) for base in self.bases}
            if folders and not any(places.values()):
                continue
            for base in self.bases:
                listed = [self._index(place) for place in places[base]] if folders else [self._index(base, True)]
                files = [file for found in listed for file in found.get(stem, ())]
                if files:
                    return self._decide(name, home, files, tuple(parts[:start]))
            break
        return FoundFile(home, MISSING)

    def _list(self, folder: str) -> FolderContents:
        if folder not in self._contents:
            contents = self._contents[folder] = FolderContents()
            try:
                with os.scandir(folder or os.sep) as entries:
                    for entry in entries:
                        if not entry.is_dir():
                            contents.names[entry.name] = None
                        elif not entry.name.startswith((".", "@", "__MACOSX")):
                            contents.folders[fold_name(entry.name)].append(entry.path)
            except (OSError, ValueError):  # its files are then missing, and reading one says why
                pass
        return self._contents[folder]

    def _index(self, folder: str, with_inner: bool = False) -> dict[str, list[str]]:
        """Return the files of a folder, and of those one level below, by their names without ending and case."""
        if (folder, with_inner) not in self._files:
            files = self._files[folder, with_inner] = defaultdict(list)
            for place in (folder, *(self._list_inner(folder) if with_inner else ())):
                for name in self._list(place).names:
                    files[self._find_key(name)].append(f"{place}{os.sep}{name}")
        return self._files[folder, with_inner]

    def _list_inner(self, folder: str) -> list[str]:
        return [path for paths in self._list(folder).folders.values() for path in paths]

    def _find_folders(self, base: str, names: tuple[str, ...]) -> list[str]:
        """Find the folders of these names, each in the one before, in a base, or else one level below it."""
        if not names:
            return []
        key = (base, *names)
        if key not in self._folders:
            last = fold_name(names[-1])
            if len(names) == 1:
                inner = (path for place in self._list_inner(base) for path in self._list(place).folders.get(last, ()))
                self._folders[key] = self._list(base).folders.get(last) or list(inner)
            else:
                above = self._find_folders(base, names[:-1])
                self._folders[key] = [path for folder in above for path in self._list(folder).folders.get(last, ())]
        return self._folders[key]

    def _find_key(self, file: str) -> str:
        """Return what a file's name has in common with those that differ from it by case or ending."""
        return fold_name(strip_ending(file, self.endings))

    def _decide(self, name: str, home: str, files: Sequence[str], removed: tuple[str, ...]) -> FoundFile:
        """Choose the file of a name among those of the same name but for ending and case."""
        file = split_foreign(name)[-1]
        chosen = choose_files(file, files, self.endings)
        if not chosen:
            return FoundFile(home, MISSING)
        if len(chosen) > 1:
            return FoundFile(home, AMBIGUOUS, tuple(chosen))
        is_shortened = bool(removed) or is_rooted(name)
        how = SHORTENED if is_shortened else COMPLETED
        is_same = fold_name(split_path(chosen[0])[1]) == fold_name(file)
        if not is_same and strip_ending(file, self.endings) != file:
            how = OTHER_ENDING
        return FoundFile(chosen[0], how, removed=removed)


def _join(base: str, name: str, is_foreign: bool) -> str:
    own = name.replace("\\" if is_foreign else "/", os.sep)
    return own if is_absolute(own) else f"{base}{os.sep}{own}"


def _plain(path: str) -> str:
    """Return a path without separators and dots that say nothing."""
    is_plain = not path.endswith(os.sep) and all(sign not in path for sign in (os.sep * 2, f"{os.sep}.{os.sep}"))
    return path if is_plain else str(Path(path))


def _is_there(path: str) -> bool:
    """Whether there is anything but a folder: also a link to a file that is gone, or a pipe, to be reported."""
    try:
        return os.path.lexists(path) and not Path(path).is_dir()
    except (OSError, ValueError):  # no file can have this name
        return False
