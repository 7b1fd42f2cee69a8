"""Lists the image files of a folder: recursively, in natural order, each folder once even if links form a loop."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sightx_cli.data.file_kinds import FileKinds, find_ending, has_image_ending, sort_by_ending
from sightx_cli.data.own_folders import is_own_folder, is_own_picture
from sightx_cli.data.passed_over import Tally
from sightx_cli.errors import DataError, quote
from sightx_cli.progress import Notice

_LEFT_BY_PROGRAMS = (
    "__macosx @eadir $recycle.bin __pycache__ .git .svn .ipynb_checkpoints .idea .vscode .dvc .fseventsd .appledouble "
    ".spotlight-v100 .trashes .thumbnails .trash"
)
_IGNORED_FOLDERS = frozenset(_LEFT_BY_PROGRAMS.split())
_IGNORED_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))
Identity = tuple[int, int] | Path
"""What is the same for two names of one folder."""


@dataclass
class Listing:
    """What was found on the way: images are yielded, the rest is counted here and reported once."""

    visited: set[Identity] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)
    kinds: FileKinds = field(default_factory=FileKinds)

    def list_notices(self) -> tuple[Notice, ...]:
        """Say what was passed over, and which files were told by their first bytes."""
        tally = Tally(self.tally.counts.copy(), dict(self.tally.examples))
        for ending, count in self.kinds.assumed.items():
            tally.add("assumed", ending, "", count)
        return tally.list_notices()


class Folder:
    """A folder, read when something of it is first asked for: its folders and images in natural order, and the rest.

    A link to a folder is one; a link back to a folder that holds it is counted as read already.
    Whatever is asked for raises `DataError` if the folder, or one that has to be read for it, cannot be read.
    """

    def __init__(self, path: Path, kinds: FileKinds, above: Folder | None = None, is_link: bool = False) -> None:
        self.path = path
        self.name = path.name
        self.is_link = is_link
        self.kinds = kinds
        self._above = above

    @cached_property
    def identity(self) -> Identity:
        """What is the same under every name that leads here."""
        return _identify(self.path)

    @property
    def folders(self) -> list[Folder]:
        """The folders in it."""
        return self._contents[0]

    @property
    def images(self) -> list[str]:
        """The names of the images directly in it."""
        return self._contents[1]

    @property
    def tally(self) -> Tally:
        """What else is directly in it."""
        return self._contents[2]

    @cached_property
    def filled(self) -> list[Folder]:
        """The folders in it that hold an image, at whatever depth."""
        return [folder for folder in self.folders if folder.has_images]

    @cached_property
    def has_images(self) -> bool:
        """Whether there is an image in it, at whatever depth: it is read no further than to the first."""
        return bool(self.images) or any(folder.has_images for folder in self.folders)

    @cached_property
    def has_products(self) -> bool:
        """Whether there is something in it that SightX has made, at whatever depth."""
        return self.tally.has("made") or any(folder.has_products for folder in self.folders)

    def list_above(self) -> list[Folder]:
        """The folders around it, the nearest first."""
        return [] if self._above is None else [self._above, *self._above.list_above()]

    def count_images(self) -> int:
        """Count the images in it, at whatever depth."""
        return len(self.images) + sum(folder.count_images() for folder in self.folders)

    @cached_property
    def _contents(self) -> tuple[list[Folder], list[str], Tally]:
        try:
            with os.scandir(self.path) as found:
                entries = sorted(found, key=lambda entry: natural_key(entry.name))
        except OSError as error:
            raise _describe_refusal(self.path, error) from error
        folders: list[Folder] = []
        images: list[str] = []
        unknown: list[str] = []
        tally = Tally()
        if self._above is not None and is_own_folder({entry.name for entry in entries}):
            tally.add("made", "", f"{self._above.name}/{self.name}/")
            return folders, images, tally
        for entry in entries:
            name = entry.name
            if leads_to_folder(entry):
                if is_left_by_programs(name):
                    continue
                kind = "hidden" if name.startswith(".") else "" if is_valid_text(name) else "misnamed"
                folder = Folder(self.path / name, self.kinds, self, entry.is_symlink())
                if not kind and folder.is_link and folder._is_loop():
                    kind = "again"
                if kind:
                    tally.add(kind, "", f"{self.name}/{name}/")
                else:
                    folders.append(folder)
            elif has_image_ending(name):
                kind = "hidden" if name.startswith(".") else "" if is_valid_text(name) else "misnamed"
                if is_own_picture(self.name, name):
                    tally.add("made", "", f"{self.name}/{name}")
                elif not kind:
                    images.append(name)  # also a pipe or a broken link: reported as unreadable, and never opened
                elif not name.startswith("._"):  # what macOS keeps of each file on other systems' disks
                    tally.add(kind, "", f"{self.name}/{name}")
            elif not name.startswith(".") and not is_left_by_programs(name):
                kind = _sort_by_name(entry)
                if kind == "unknown":
                    unknown.append(name)
                elif kind == "broken":
                    tally.add(kind, "", f"{self.name}/{name}")
                else:
                    tally.add(kind, find_ending(name), name)
        told = self.kinds.tell(self.path, unknown)
        for name, what in zip(unknown, told, strict=True):
            tally.add({"image": "told", "text": "none", "unknown": "other"}[what], find_ending(name), name)
        found_by_bytes = [name for name, what in zip(unknown, told, strict=True) if what == "image"]
        if found_by_bytes:
            images = sorted(images + found_by_bytes, key=natural_key)
        return folders, images, tally

    def _is_loop(self) -> bool:
        return any(above.identity == self.identity for above in self.list_above())


def name_folders(folders: Sequence[Folder], most: int = 4) -> str:
    """Name folders in a message: ants/, bees/ and 7 more."""
    names = ", ".join(f"{folder.name}/" for folder in folders[:most])
    return names + (f" and {len(folders) - most:,} more" if len(folders) > most else "")


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key in which scan2 comes before scan10; upper and lower case sort together."""
    parts = re.split(r"0*([0-9]+)", name.casefold())
    # Numbers are compared by length and then as text: Python converts none of more than 4,300 digits.
    return *((0, len(part), part) if place % 2 else (1, 0, part) for place, part in enumerate(parts) if part), (
        2,
        0,
        name,
    )


def list_images(top: Folder, listing: Listing) -> Iterator[Path]:
    """The image files in a folder and the folders below it; links to folders are followed, each folder is read once.

    A link to a missing file is listed if it has an image's ending, so that it is reported by name, as other damaged
    images are; without one it is counted.

    Raises: `DataError` if a folder cannot be read.
    """
    visit(top, listing)
    return (one.path / name for one in walk(top, listing) for name in one.images)


def walk(folder: Folder, listing: Listing) -> Iterator[Folder]:
    """A folder and those below it, each once; what is passed over in them is counted. The caller visits the first."""
    listing.tally.merge(folder.tally)
    yield folder
    for inner in folder.folders:
        if visit(inner, listing):
            yield from walk(inner, listing)
        else:
            listing.tally.add("again", "", f"{folder.name}/{inner.name}/")


def visit(folder: Folder, listing: Listing) -> bool:
    """Record that a folder has been entered; False if it was entered before, under this name or through a link."""
    if folder.identity in listing.visited:
        return False
    listing.visited.add(folder.identity)
    return True


def is_left_by_programs(name: str) -> bool:
    """Whether a file or folder is known by its name as what a system or a program leaves, of which nothing is said."""
    plain = name.casefold()
    return plain in _IGNORED_FOLDERS or plain in _IGNORED_FILES or plain.startswith(".trash-")


def is_valid_text(name: str) -> bool:
    """Whether a name is valid UTF-8, which file names need not be."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _identify(folder: Path) -> Identity:
    try:
        state = folder.stat()
    except OSError as error:
        raise _describe_refusal(folder, error) from error
    # Windows numbers no files on some network drives: there a folder is known by its path.
    return (state.st_dev, state.st_ino) if state.st_ino else folder.resolve()


def _describe_refusal(folder: Path, error: OSError) -> DataError:
    return DataError(
        f"the folder {folder} cannot be read: {error.strerror}", f"check its permissions: ls -ld {quote(folder)}"
    )


def leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _sort_by_name(entry: os.DirEntry[str]) -> str:
    """Return what a file without an image's ending is: "unknown" where only its first bytes can tell."""
    try:
        is_file = entry.is_file()
    except OSError:
        is_file = False
    if not is_valid_text(entry.name):
        return "misnamed"
    if not is_file:
        return "broken" if entry.is_symlink() else "none"  # a pipe, a socket
    return sort_by_ending(entry.name)
